// SPDX-License-Identifier: Apache-2.0
//
// `pqleash audit` as a build server has it: unchanged programs, whole process trees, a real server.
// To be run by scripts/with-postgres.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Its stderr without regard to where lines were broken, which goes by the lengths of paths.
std::string Said(const Outcome& outcome) {
  return std::regex_replace(outcome.err, std::regex("\\s+"), " ");
}

// Whoever inherits it may be slow to reap it.
bool Runs(pid_t pid) {
  const std::string stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  return !stat.empty() && stat.find(") Z ") == std::string::npos;
}

class AuditEndToEnd : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
  }

  static Command Audit(const Words& options, const Words& program) {
    Words words = {PQLEASH_TEST_TOOL, "audit"};
    words.insert(words.end(), options.begin(), options.end());
    words.emplace_back("--");
    words.insert(words.end(), program.begin(), program.end());
    return {.arguments = words,
            .environment = {{"LD_PRELOAD", std::nullopt}, {"SHOP", PQLEASH_TEST_SHOP}}};
  }
  static Outcome RunShop(Words words, const Words& options = {}) {
    words.insert(words.begin(), PQLEASH_TEST_SHOP);
    return RunToEnd(Audit(options, words));
  }
  // `$SHOP WORD...` is the program.
  static Outcome RunShell(const std::string& script, const Words& options = {}) {
    return RunToEnd(Audit(options, {"sh", "-c", script}));
  }

  // The result as JSON, and how the audit ended in `outcome`.
  Json AuditJson(const std::string& script, Words options, Outcome* outcome) {
    const std::string file = directory_ / "audit.json";
    options.insert(options.end(), {"--format", "json", "--output", file});
    *outcome = RunShell(script, options);
    Json json = Json::parse(ReadFile(file), nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << ReadFile(file) << outcome->err;
    return json;
  }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return directory_ / name;
  }

  const TemporaryDirectory directory_;
};

TEST_F(AuditEndToEnd, CleanProgramPassesAndOutputIsItsOwn) {
  const Outcome outcome = RunShop({"close", "close", "ready"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "ready\n");
  EXPECT_EQ(outcome.err, "pqleash audit of 1 process, 2 connections opened: no finding fails\n");
}

TEST_F(AuditEndToEnd, LeakFailsWithTheStackThatOpenedIt) {
  const Outcome outcome = RunShop({"leak", "close", "leak"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(Said(outcome), HasSubstr("leak-suspect (likely)"));
  EXPECT_THAT(Said(outcome), HasSubstr("2 connections opened by shop::OpenAuditLog(bool)"));
  EXPECT_THAT(outcome.err, ContainsRegex("#0 shop::OpenAuditLog\\(bool\\) +[^ ]*shop\\.cc:[0-9]+"));
  EXPECT_THAT(outcome.err, ContainsRegex("#[0-9] main +[^ ]*shop\\.cc:[0-9]+"));
}

TEST_F(AuditEndToEnd, LostIsProvenAndOneFindingWithTheRestOfItsPlace) {
  const Outcome lost = RunShop({"lose", "leak", "lose"}, {"--fail-on", "proven"});
  EXPECT_EQ(lost.exit_code, 3) << lost.err;
  EXPECT_THAT(Said(lost), HasSubstr("1 finding fails"));
  EXPECT_THAT(Said(lost), HasSubstr("lost-handle (proven)"));
  EXPECT_THAT(Said(lost), HasSubstr("2 connections opened by shop::OpenAuditLog(bool)"));
  EXPECT_THAT(Said(lost), HasSubstr("1 more of this place is suspected to leak"));
  const Outcome reachable = RunShop({"leak"});
  EXPECT_THAT(Said(reachable), HasSubstr("a reference was left in"));
}

TEST_F(AuditEndToEnd, AKnownLeakIsKnownHoweverMuchIsProven) {
  const std::string baseline = directory_ / "baseline.json";
  RunShop({"leak"}, {"--write-baseline", baseline});
  const Outcome lost = RunShop({"lose"}, {"--baseline", baseline});
  EXPECT_EQ(lost.exit_code, 0) << lost.err;
  EXPECT_THAT(Said(lost), HasSubstr("no finding fails, 1 known"));
}

TEST_F(AuditEndToEnd, FailOnProvenLeavesTheLikelyAsANote) {
  const Outcome likely = RunShop({"leak"}, {"--fail-on", "proven"});
  EXPECT_EQ(likely.exit_code, 0) << likely.err;
  EXPECT_THAT(Said(likely), HasSubstr("Less certain than asked for (1)"));
  const Outcome proven = RunShop({"fail"}, {"--fail-on", "proven"});
  EXPECT_EQ(proven.exit_code, 3) << proven.err;
  EXPECT_THAT(Said(proven), HasSubstr("unfinished-failed-connect (proven)"));
}

TEST_F(AuditEndToEnd, OpenTransactionIsFoundOnce) {
  Outcome outcome;
  const Json audit = AuditJson("$SHOP begin", {}, &outcome);
  EXPECT_EQ(outcome.exit_code, 3);
  ASSERT_EQ(audit["findings"].size(), 1u) << audit["findings"].dump(1);
  EXPECT_EQ(audit["findings"][0]["kind"], "idle-in-transaction");
}

TEST_F(AuditEndToEnd, ProcessTreeIsMergedByCallSite) {
  Outcome outcome;
  const Json audit =
      AuditJson("$SHOP leak leak & sh -c '$SHOP leak close; true'; wait", {}, &outcome);
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_EQ(audit["processes"].size(), 2u);
  ASSERT_EQ(audit["findings"].size(), 1u) << audit["findings"].dump(1);
  const Json& finding = audit["findings"][0];
  EXPECT_EQ(finding["connections"], 3);
  EXPECT_EQ(finding["evidence"].back(),
            Json({{"name", "processes"}, {"number", 2.0}, {"unit", "processes"}}));
}

TEST_F(AuditEndToEnd, NoProcessOfManyIsForgotten) {
  // More than the 64 ended processes whose ledgers a directory keeps by default: read while others
  // run, and all at the end.
  for (const Words& options : {Words{}, Words{"--keep-ledgers", directory_ / "kept"}}) {
    Outcome outcome;
    const Json audit =
        AuditJson("i=0; while [ $i -lt 90 ]; do $SHOP close; i=$((i+1)); done; $SHOP leak", options,
                  &outcome);
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_EQ(audit["processes"].size(), 91u) << "with " << options.size() << " options";
    EXPECT_EQ(audit["incomplete"], Json::array());
  }
}

TEST_F(AuditEndToEnd, ProgramsOwnFailureComesFirst) {
  const Outcome failed = RunShop({"leak", "exit=5"});
  EXPECT_EQ(failed.exit_code, 5);
  EXPECT_THAT(Said(failed), HasSubstr("1 finding fails; the program ended with exit code 5"));
  const Outcome aborted = RunShop({"leak", "abort"});
  EXPECT_EQ(aborted.signal, SIGABRT);
  EXPECT_THAT(Said(aborted), HasSubstr("the program ended with signal 6 (SIGABRT)"));
}

TEST_F(AuditEndToEnd, ProcessThatNeverCallsExitIsJudgedByItsLedger) {
  const Outcome judged = RunShell("$SHOP leak _exit; $SHOP close");
  EXPECT_EQ(judged.exit_code, 3) << judged.err;
  EXPECT_THAT(Said(judged), HasSubstr("1 connection opened by shop::OpenAuditLog(bool)"));
  EXPECT_THAT(Said(judged), HasSubstr("ended without exit()"));
  const Outcome clean = RunShell("$SHOP close _exit");
  EXPECT_EQ(clean.exit_code, 0) << clean.err;
}

// `run` names its processes by a run of its own, which the audit would not know.
TEST_F(AuditEndToEnd, ARunInsideIsSeen) {
  for (const Words& options : {Words{}, Words{"--keep-ledgers", directory_ / "kept"}}) {
    const Outcome outcome =
        RunToEnd(Audit(options, {PQLEASH_TEST_TOOL, "run", "--", PQLEASH_TEST_SHOP, "leak"}));
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("audit of 1 process, 1 connection opened"));
    EXPECT_THAT(Said(outcome), HasSubstr("a reference was left in"));
  }
}

TEST_F(AuditEndToEnd, ProgramOfAnotherUserIsNotGreen) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root to become another user";
  const Words program = {"setpriv",         "--reuid", "65534", "--clear-groups",
                         PQLEASH_TEST_SHOP, "leak",    "ready"};
  const Outcome outcome = RunToEnd(Audit({}, program));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_THAT(Said(outcome), HasSubstr("setpriv runs its program as another user"));
}

TEST_F(AuditEndToEnd, InterruptReachesTheProgram) {
  Subprocess audit(Audit({}, {PQLEASH_TEST_SHOP, "leak", "interrupted"}));
  ASSERT_TRUE(audit.WaitForOutput("ready"));
  audit.Signal(SIGINT);
  const Outcome& outcome = audit.Wait();
  EXPECT_EQ(outcome.exit_code, 7) << HowItEnded(outcome) << outcome.err;
  EXPECT_THAT(Said(outcome), HasSubstr("leak-suspect"));
}

TEST_F(AuditEndToEnd, WaitsForWhatOutlivesTheProgram) {
  // The second is left to the audit when the shell is gone, and leaks only then.
  const Outcome outcome = RunShell("$SHOP orphaned=$$ leak & exit 0", {"--linger", "30s"});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(Said(outcome), HasSubstr("1 connection opened by shop::OpenAuditLog(bool)"));
  EXPECT_THAT(Said(outcome), Not(HasSubstr("still running")));
}

TEST_F(AuditEndToEnd, WhatStillRunsIsSaidAndGoesOn) {
  const std::string said = directory_ / "said";
  Command command = Audit({"--linger", "0s"}, {"sh", "-c",
                                               "exec 3<&0; $SHOP leak ready wait <&3 >" + said +
                                                   " 2>&1 & until grep -qs ready " + said +
                                                   "; do sleep 0.02; done; echo $! $PQLEASH_DIR"});
  command.hold_input = true;
  Subprocess audit(command);
  const Outcome& outcome = audit.Wait();
  EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome) << outcome.err;
  pid_t left = 0;
  std::string ledgers;
  std::istringstream(outcome.out) >> left >> ledgers;
  EXPECT_THAT(Said(outcome), HasSubstr("process " + std::to_string(left) +
                                       " (audit_shop) is still running, with 1 open connection"));
  EXPECT_EQ(access(ledgers.c_str(), F_OK), -1) << ledgers << " was left behind";
  EXPECT_TRUE(Runs(left)) << left << " did not go on";
  audit.CloseInput();
  EXPECT_TRUE(WaitUntil([&] { return !Runs(left); })) << left << " is still there";
}

TEST_F(AuditEndToEnd, BaselineLetsOnlyTheNewFail) {
  const std::string baseline = directory_ / "baseline.json";
  const Outcome first = RunShop({"leak", "fail"}, {"--write-baseline", baseline});
  EXPECT_EQ(first.exit_code, 0) << first.err;
  const Outcome same = RunShop({"leak", "leak"}, {"--baseline", baseline});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(Said(same), HasSubstr("(2, of these 1 no longer seen)"));
  EXPECT_THAT(Said(same), HasSubstr("2 connections, 1 in the baseline"));
  const Outcome more = RunShop({"leak", "leak-elsewhere"}, {"--baseline", baseline});
  EXPECT_EQ(more.exit_code, 3);
  EXPECT_THAT(Said(more), HasSubstr("shop::OpenPriceList()"));
  EXPECT_THAT(Said(more), HasSubstr("1 finding fails, 1 known"));
}

TEST_F(AuditEndToEnd, SuppressionsSayWhatTheyDid) {
  const std::string file =
      Write("leaks.supp", "# by design\nleak:OpenAuditLog\nleak:neverhere.cc$\n");
  const Outcome outcome = RunShop({"leak", "leak"}, {"--suppress", file});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(Said(outcome),
              HasSubstr("leak:OpenAuditLog (" + file + ":2): 1 finding, 2 connections"));
  EXPECT_THAT(Said(outcome), HasSubstr("leak:neverhere.cc$ (" + file + ":3): never matched"));
  const std::string dbname = Write("db.supp", "dbname:^" + std::string(getenv("PGDATABASE")) + "$");
  EXPECT_EQ(RunShop({"leak"}, {"--suppress", dbname}).exit_code, 0);
}

TEST_F(AuditEndToEnd, PythonLeakIsNamedByItsLine) {
  const std::string script = Write("leak.py",
                                   "import ctypes, psycopg2\n"
                                   "def open_report():\n"
                                   "    return psycopg2.connect('')\n"
                                   "ctypes.pythonapi.Py_IncRef(ctypes.py_object(open_report()))\n"
                                   "left_to_python = psycopg2.connect('')\n");
  const Outcome outcome = RunToEnd(Audit({}, {"/usr/bin/python3", script}));
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(Said(outcome), HasSubstr("2 findings fail"));
  EXPECT_THAT(outcome.err, ContainsRegex("#[0-9]+ open_report +[^ ]*leak\\.py:3"));
  EXPECT_THAT(Said(outcome),
              ContainsRegex("opened by <module> \\([^)]*leak\\.py:5\\) was still open"));
}

TEST_F(AuditEndToEnd, MachineFormatsOfARealAudit) {
  const std::string junit = directory_ / "audit.xml";
  EXPECT_EQ(RunShop({"leak"}, {"--format", "junit", "--output", junit}).exit_code, 3);
  const Outcome lint = RunToEnd({.arguments = {"xmllint", "--noout", junit}});
  EXPECT_EQ(lint.exit_code, 0) << lint.err << ReadFile(junit);
  const std::string sarif = directory_ / "audit.sarif";
  const Outcome outcome = RunShop({"leak"}, {"--format", "sarif", "--output", sarif});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.err, "pqleash: audit of 1 process, 1 connection opened: 1 finding fails\n");
  const Json result = Json::parse(ReadFile(sarif))["runs"][0]["results"][0];
  const Json& place = result["locations"][0]["physicalLocation"];
  EXPECT_THAT(place["artifactLocation"]["uri"].get<std::string>(), HasSubstr("shop.cc"));
  EXPECT_GT(place["region"]["startLine"], 0);
}

TEST_F(AuditEndToEnd, LedgersAreKeptWhereAsked) {
  const std::string kept = directory_ / "kept";
  const Outcome outcome = RunShop({"leak"}, {"--keep-ledgers", kept});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  size_t ledgers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kept))
    ledgers += entry.path().extension() == ".ledger";
  EXPECT_EQ(ledgers, 1u);
  // Those of another run are none of the next one's business.
  const Outcome next = RunShop({"close"}, {"--keep-ledgers", kept});
  EXPECT_EQ(next.exit_code, 0) << next.err;
}

TEST_F(AuditEndToEnd, DiffOfTwoAudits) {
  Outcome outcome;
  AuditJson("$SHOP leak leak; $SHOP close", {}, &outcome);
  const std::string before = directory_ / "before.json";
  std::filesystem::rename(directory_ / "audit.json", before);
  AuditJson("$SHOP leak leak-elsewhere", {}, &outcome);
  const std::string after = directory_ / "audit.json";
  const Outcome diff =
      RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "diff", before, after, "--fail-on", "likely"}});
  EXPECT_EQ(diff.exit_code, 3) << diff.err;
  EXPECT_THAT(diff.err, IsEmpty());
  EXPECT_THAT(diff.out, HasSubstr("New findings (1)"));
  EXPECT_THAT(diff.out, ContainsRegex("new +0 -> 1 +0 -> 1 +0 +[0-9a-f]{16} +shop::OpenPriceList"));
  EXPECT_THAT(diff.out, ContainsRegex("shrunk +2 -> 1 +2 -> 1 +0 +[0-9a-f]{16} +shop::OpenAuditL"));
  EXPECT_THAT(diff.out, ContainsRegex("gone +0 +1 -> 0 +0 +[0-9a-f]{16} +shop::ReadPrice"));
}

}  // namespace
}  // namespace pqleash::testing
