// SPDX-License-Identifier: Apache-2.0
//
// `pqleash audit` and `diff` on the command line: what is wrong is said before the program runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using Words = std::vector<std::string>;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class AuditCliTest : public ::testing::Test {
 protected:
  // Something that can be preloaded, so that there is a library.
  AuditCliTest() : library_("/usr/lib/x86_64-linux-gnu/libdl.so.2") {}

  Outcome Run(const Words& options, const std::string& script = "echo ran") {
    Words words = {PQLEASH_TEST_TOOL, "audit", "--library", library_};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"--", "sh", "-c", script});
    return RunToEnd({.arguments = words,
                     .environment = {{"LD_PRELOAD", std::nullopt},
                                     {"ASAN_OPTIONS", "verify_asan_link_order=0"}}});
  }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return directory_ / name;
  }

  const TemporaryDirectory directory_;
  std::string library_;
};

TEST_F(AuditCliTest, NothingRecordedIsNotGreen) {
  const Outcome outcome = Run({});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_EQ(outcome.out, "ran\n");
  EXPECT_THAT(outcome.err, HasSubstr("nothing was recorded"));
  EXPECT_THAT(outcome.err, HasSubstr("--allow-unseen"));
  const Outcome allowed = Run({"--allow-unseen"});
  EXPECT_EQ(allowed.exit_code, 0) << allowed.err;
  EXPECT_THAT(allowed.err, HasSubstr("nothing was recorded"));
}

TEST_F(AuditCliTest, WhyNothingWasRecorded) {
  const auto run = [&](const Words& program) {
    Words words = {PQLEASH_TEST_TOOL, "audit", "--library", library_, "--"};
    words.insert(words.end(), program.begin(), program.end());
    const Outcome outcome =
        RunToEnd({.arguments = words, .environment = {{"LD_PRELOAD", std::nullopt}}});
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    return std::regex_replace(outcome.err, std::regex("\\s+"), " ");
  };
  EXPECT_THAT(run({"setpriv", "true"}), HasSubstr("as in `setpriv ... pqleash audit -- COMMAND`"));
  EXPECT_THAT(run({"true"}), HasSubstr("`pqleash doctor -- COMMAND` says which"));
  EXPECT_THAT(run({"/sbin/ldconfig", "--version"}), HasSubstr("it is statically linked"));
}

TEST_F(AuditCliTest, BadInputIsNamedAndNothingRuns) {
  const std::string typo = Write("typo.supp", "leak:x\nrace:y\n");
  const std::string other = Write("other.json", R"({"schema": "pqleash.audit/2"})");
  const std::string open = directory_ / "open";
  mkdir(open.c_str(), 0755);
  chmod(open.c_str(), 0755);
  struct Case {
    Words options;
    int exit_code;
    std::string sentence;
  };
  for (const Case& each : {
           Case{{"--suppress", "/none"}, 1, "/none cannot be read: No such file or directory"},
           Case{{"--suppress", typo}, 2, typo + ":2: 'race' is no type of suppression"},
           Case{{"--baseline", "/none"}, 1, "/none cannot be read: No such file or directory"},
           Case{{"--baseline", other}, 1, "its schema is 'pqleash.audit/2', expected"},
           Case{{"--baseline", typo}, 1, "is not a report of pqleash: no JSON at byte 1"},
           Case{{"--output", "/none/x"}, 1, "/none/x cannot be written: No such file"},
           Case{{"--write-baseline", "/none/x"}, 1, "/none/x cannot be written: No such file"},
           Case{{"--keep-ledgers", open}, 1, "has mode 0755, expected 0700"},
           Case{{"--keep-ledgers", "/none/x"}, 1, "/none/x cannot be made: No such file"},
           Case{{"--library", "/none.so"}, 1, "library /none.so cannot be used"},
           Case{{"--format", "xml"}, 2, "'xml' is no format, expected text, json, junit or sarif"},
           Case{{"--format", "junit"}, 2, "needs --output FILE"},
           Case{{"--kinds", "leak"}, 2, "'leak' is no kind of finding, expected all or some of"},
           Case{{"--fail-on", "maybe"},
                2,
                "'maybe' is no level, expected critical, warning, info, proven or likely"},
           Case{{"--linger", "5"}, 2, "'5' is no duration"},
       }) {
    if (each.options[0] == "--library") library_ = each.options[1];
    const Outcome outcome = each.options[0] == "--library" ? Run({}) : Run(each.options);
    EXPECT_EQ(outcome.exit_code, each.exit_code) << each.options[0] << outcome.err;
    EXPECT_EQ(outcome.out, "") << each.options[0];
    EXPECT_THAT(outcome.err, StartsWith("pqleash: audit: ")) << each.options[0];
    EXPECT_THAT(outcome.err, HasSubstr(each.sentence)) << each.options[0];
    if (each.options[0] == "--library") library_ = "/usr/lib/x86_64-linux-gnu/libdl.so.2";
  }
}

TEST_F(AuditCliTest, DisabledLibraryWouldSayThatAllIsWell) {
  const Outcome outcome = RunToEnd(
      {.arguments = {PQLEASH_TEST_TOOL, "audit", "--library", library_, "--", "echo", "ran"},
       .environment = {{"PQLEASH_DISABLE", "1"}}});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("PQLEASH_DISABLE=1 is set"));
}

TEST_F(AuditCliTest, ProgramsEndIsPassedOn) {
  for (const int code : {0, 1, 2, 3, 42, 126, 127, 255})
    EXPECT_EQ(Run({"--allow-unseen"}, "exit " + std::to_string(code)).exit_code, code);
  for (const int signal : {SIGTERM, SIGKILL, SIGSEGV})
    EXPECT_EQ(Run({}, "kill -" + std::to_string(signal) + " $$").signal, signal);
}

TEST_F(AuditCliTest, ProgramThatCannotBeRun) {
  const auto run = [&](const std::string& program) {
    return RunToEnd(
        {.arguments = {PQLEASH_TEST_TOOL, "audit", "--library", library_, "--", program}});
  };
  EXPECT_EQ(run("no-such-command-here").exit_code, 127);
  EXPECT_THAT(run("no-such-command-here").err,
              HasSubstr("pqleash: audit: no-such-command-here cannot be run: No such file"));
  EXPECT_EQ(run("/").exit_code, 126);
  const Outcome none = RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "audit"}});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("audit: no command given"));
}

TEST_F(AuditCliTest, LedgerDirectoryIsPrivateAndGoesAway) {
  const Outcome outcome =
      Run({}, "stat -c %a $PQLEASH_DIR $(dirname $PQLEASH_DIR); echo $PQLEASH_DIR");
  ASSERT_THAT(outcome.out, StartsWith("700\n700\n/")) << outcome.err;
  const std::string directory = outcome.out.substr(8, outcome.out.size() - 9);
  EXPECT_EQ(access(directory.c_str(), F_OK), -1) << directory;
  EXPECT_EQ(access(directory.substr(0, directory.rfind('/')).c_str(), F_OK), -1);
}

TEST_F(AuditCliTest, OrphansAreAdoptedAndWaitedFor) {
  const std::string done = directory_ / "done";
  const Outcome outcome = Run({"--linger", "30s"}, "(sleep 0.3; echo >" + done + ") & exit 4");
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_EQ(access(done.c_str(), F_OK), 0) << "the audit did not wait";
}

TEST_F(AuditCliTest, SignalsCutTheLingeringShort) {
  Subprocess audit({.arguments = {PQLEASH_TEST_TOOL, "audit", "--library", library_, "--linger",
                                  "50s", "--", "sh", "-c", "sleep 50 >&- 2>&- & echo $!; exit 4"},
                    .limit = std::chrono::seconds(20)});
  ASSERT_TRUE(audit.WaitForOutput("\n"));
  const std::string left = audit.output().substr(0, audit.output().find('\n'));
  const std::string parent = "PPid:\t" + std::to_string(audit.pid()) + "\n";
  // With its parent the shell has gone.
  ASSERT_TRUE(WaitUntil([&] {
    std::ostringstream status;
    status << std::ifstream("/proc/" + left + "/status").rdbuf();
    return status.str().find(parent) != std::string::npos;
  })) << left
      << " was not adopted";
  audit.Signal(SIGTERM);
  const Outcome& outcome = audit.Wait();
  EXPECT_EQ(outcome.exit_code, 4) << HowItEnded(outcome);
  kill(std::stoi(left), SIGKILL);
}

TEST_F(AuditCliTest, DiffSaysWhatIsWrongWithItsFiles) {
  const std::string other = Write("other.json", "[]");
  const Outcome outcome = RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "diff", "/none", other}});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err,
            "pqleash: diff: /none cannot be read: No such file or directory\n"
            "pqleash: diff: " +
                other +
                " is not a report of pqleash: the document is an array, expected an "
                "object\n");
  EXPECT_EQ(RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "diff", "/none"}}).exit_code, 2);
}

}  // namespace
}  // namespace pqleash::testing
