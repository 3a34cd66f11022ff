// SPDX-License-Identifier: Apache-2.0
//
// The tool as its users meet it: exit codes, and what goes to stdout and to stderr.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/living_ledger.h"
#include "tests/reporter/scratch_directory.h"
#include "tests/reporter/subprocess.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Outcome Pqleash(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PQLEASH_TOOL);
  return Execute(arguments);
}

TEST(CliTest, BadUsageIsOneSentence) {
  struct Case {
    std::vector<std::string> arguments;
    const char* sentence;
  };
  const Case cases[] = {
      {{}, "pqleash: no command given; see `pqleash --help`\n"},
      {{"frobnicate"},
       "pqleash: unknown command 'frobnicate', expected one of run, audit, attach, detach, ps, "
       "report, top, diff, whois, serve, check, caps, advise, doctor; see `pqleash --help`\n"},
      {{"--frobnicate"},
       "pqleash: unknown command '--frobnicate', expected one of run, audit, attach, detach, ps, "
       "report, top, diff, whois, serve, check, caps, advise, doctor; see `pqleash --help`\n"},
      {{"report", "--min-age", "5"},
       "pqleash: report: --min-age: '5' is no duration, expected a number with a unit: 250ms, 30s, "
       "5m, 2h or 1d; see `pqleash report --help`\n"},
      {{"report", "--min-idle", "soon"},
       "pqleash: report: --min-idle: 'soon' is no duration, expected a number with a unit: 250ms, "
       "30s, 5m, 2h or 1d; see `pqleash report --help`\n"},
      {{"report", "--format", "xml"},
       "pqleash: report: --format: 'xml' is no format, expected text, json, html, folded, pprof, "
       "speedscope, markdown or prometheus; see `pqleash report --help`\n"},
      {{"report", "--fail-on", "maybe"},
       "pqleash: report: --fail-on: 'maybe' is no level, expected critical, warning, info, proven "
       "or likely; see `pqleash report --help`\n"},
      {{"ps", "--dir", ""},
       "pqleash: ps: --dir: expected the name of a directory; see `pqleash ps --help`\n"},
      {{"whois", "x"},
       "pqleash: whois: BACKEND_PID: 'x' is no process id, expected a number as 'pid' of "
       "pg_stat_activity has it; see `pqleash whois --help`\n"},
      {{"check", "--instances", "3"},
       "pqleash: check: --instances requires --dsn; see `pqleash check --help`\n"},
      {{"check", "--dsn", "", "--workers", "0"},
       "pqleash: check: --workers: '0' is no number, expected a whole number from 1 to 1000000; "
       "see "
       "`pqleash check --help`\n"},
      {{"run"},
       "pqleash: run: no command given, expected `pqleash run [OPTIONS] -- COMMAND`; see `pqleash "
       "run --help`\n"},
      {{"run", "--"},
       "pqleash: run: no command given, expected `pqleash run [OPTIONS] -- COMMAND`; see `pqleash "
       "run --help`\n"},
      {{"run", "--service", "", "--", "true"},
       "pqleash: run: --service: '' has 0 bytes, expected 1 to 63; see `pqleash run --help`\n"},
  };
  for (const Case& test : cases) {
    const Outcome outcome = Pqleash(test.arguments);
    EXPECT_EQ(outcome.exit_code, 2) << test.sentence;
    EXPECT_EQ(outcome.out, "") << test.sentence;
    EXPECT_EQ(outcome.err, test.sentence);
  }
}

TEST(CliTest, BadUsageThatTheParserFinds) {
  const std::vector<std::vector<std::string>> cases = {
      {"report", "--pid", "x"},
      {"report", "--pid", "0"},
      {"report", "--pid", "-1"},
      {"report", "--top", "x"},
      {"report", "--top"},
      {"report", "--top", "-1"},
      {"report", "--nonsense"},
      {"ps", "--nonsense"},
      {"ps", "extra"},
      {"run", "true"},
      {"check", "a.toml", "b.toml"},
      {"check", "--format", "toml"},
      {"check", "--nonsense"},
      {"whois"},
      {"whois", "0"},
      {"whois", "12x"},
      {"whois", "2147483648"},
      {"whois", "1", "2"},
      {"whois", "1", "--dsn"},
      {"check", "--dsn", "", "--instances", "1000001"},
      {"doctor", "true"},
      {"doctor", "--"},
      {"doctor", "--pid", "1", "--", "true"},
      {"report", "--library-path"},
      {"run", "--nonsense", "--", "true"},
      {"report", "--pid", "99999999999999"},
  };
  for (const auto& arguments : cases) {
    const Outcome outcome = Pqleash(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments[1];
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("pqleash: " + arguments[0] + ": "));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST(CliTest, HelpGoesToStdout) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"-h"},
                                                    {"--version"},
                                                    {"run", "--help"},
                                                    {"ps", "--help"},
                                                    {"report", "--help"},
                                                    {"check", "--help"},
                                                    {"whois", "--help"},
                                                    {"doctor", "--help"}}) {
    const Outcome outcome = Pqleash(arguments);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("pqleash"));
    EXPECT_EQ(outcome.err, "");
  }
}

// With ledgers.

class CliLedgerTest : public ::testing::Test {
 protected:
  std::string Write(const LedgerBuilder& builder, const std::string& suffix = "") {
    std::string path =
        directory_.Path(std::to_string(builder.header.pid) + "-" +
                        std::to_string(builder.header.start_ticks) + suffix + ".ledger");
    builder.WriteTo(path);
    return path;
  }

  // A ledger of this very process, so that it is of a living one.
  static LedgerBuilder OfThisProcess() {
    LedgerBuilder builder = ExampleLedger();
    MakeOfThisProcess(&builder);
    return builder;
  }

  Outcome InDirectory(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin() + 1, {"--dir", directory_.path()});
    return Pqleash(std::move(arguments));
  }

  nlohmann::json Json(std::vector<std::string> arguments, int exit_code = 0) {
    arguments.insert(arguments.end(), {"--format", "json"});
    const Outcome outcome = InDirectory(std::move(arguments));
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    return nlohmann::json::parse(outcome.out);
  }

  ScratchDirectory directory_;
};

TEST_F(CliLedgerTest, NothingThereIsFine) {
  EXPECT_EQ(Json({"ps"})["processes"].size(), 0u);
  const nlohmann::json report = Json({"report"});
  EXPECT_EQ(report["schema"], "pqleash.report/1");
  for (const char* key : {"processes", "call_sites", "findings", "incomplete"}) {
    EXPECT_EQ(report[key], nlohmann::json::array()) << key;
  }
}

TEST_F(CliLedgerTest, LivingProcessesUnlessAllAreAskedFor) {
  Write(OfThisProcess());
  LedgerBuilder dead = ExampleLedger();
  dead.header.pid_namespace = OfThisProcess().header.pid_namespace;
  Write(dead);
  const nlohmann::json living = Json({"ps"});
  EXPECT_EQ(living["schema"], "pqleash.ps/1");
  ASSERT_EQ(living["processes"].size(), 1u);
  EXPECT_EQ(living["processes"][0]["pid"], getpid());
  EXPECT_EQ(living["processes"][0]["state"], "live");
  EXPECT_EQ(living["processes"][0]["alive"], true);
  const nlohmann::json all = Json({"ps", "--all"});
  ASSERT_EQ(all["processes"].size(), 2u);
  const Outcome text = InDirectory({"ps", "--all"});
  EXPECT_THAT(text.out, HasSubstr("killed, last seen"));
  EXPECT_EQ(text.err, "");
}

TEST_F(CliLedgerTest, ReportOfAPid) {
  Write(OfThisProcess());
  LedgerBuilder dead = ExampleLedger();
  dead.header.pid = 2'000'000'000;
  Write(dead);
  EXPECT_EQ(Json({"report", "--pid", std::to_string(getpid())})["processes"].size(), 1u);
  const nlohmann::json report = Json({"report", "--pid", "2000000000"});
  ASSERT_EQ(report["processes"].size(), 1u) << "a dead process's newest ledger";
  EXPECT_EQ(report["processes"][0]["alive"], false);
}

TEST_F(CliLedgerTest, PidWithoutALedgerSaysWhy) {
  const Outcome outcome = InDirectory({"report", "--pid", "2000000001"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err,
            "pqleash: incomplete: process 2000000001 has no ledger: there is no such process\n");
  EXPECT_EQ(outcome.out, "") << "no report of nothing";
  const nlohmann::json json = Json({"report", "--pid", "2000000001"}, 1);
  EXPECT_EQ(json["incomplete"].size(), 1u);
  const Outcome own = InDirectory({"report", "--pid", std::to_string(getpid())});
  EXPECT_EQ(own.exit_code, 1);
  EXPECT_THAT(own.err, HasSubstr("libpqleash.so was not preloaded into it"));
}

TEST_F(CliLedgerTest, WhoisShowsEveryConnectionWithThatBackend) {
  Write(OfThisProcess());
  LedgerBuilder dead = ExampleLedger();
  dead.header.pid = 2'000'000'000;
  dead.header.pid_namespace = OfThisProcess().header.pid_namespace;
  dead.connections[0].target = dead.AddTarget("replica\x1b[2J", 5433, "app", "shop", "orders-web");
  Write(dead);

  const nlohmann::json living = Json({"whois", "9000"});
  EXPECT_EQ(living["schema"], "pqleash.whois/1");
  ASSERT_EQ(living["matches"].size(), 1u);
  EXPECT_EQ(living["matches"][0]["process"]["pid"], getpid());
  EXPECT_EQ(living["matches"][0]["connection"]["backend_pid"], 9000);
  EXPECT_EQ(living["matches"][0]["is_servers_backend"], nullptr);
  EXPECT_EQ(living["server"], nullptr);
  EXPECT_EQ(Json({"whois", "9000", "--all"})["matches"].size(), 2u);
  const Outcome text = InDirectory({"whois", "9000", "--all"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("Backend 9000 (1 of 2)\n"));
  EXPECT_THAT(text.out, HasSubstr("app@10.0.0.3:5432/shop"));
  EXPECT_THAT(text.out, HasSubstr("app@replica\\x1b[2J:5433/shop"));

  const Outcome none = InDirectory({"whois", "8999"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_EQ(none.out, "");
  EXPECT_THAT(none.err, HasSubstr("no connection with backend 8999 in 1 ledger with 11 "));
  EXPECT_EQ(Json({"whois", "8999"}, 1)["matches"], nlohmann::json::array());
}

TEST_F(CliLedgerTest, ReportOfAService) {
  Write(OfThisProcess());
  EXPECT_EQ(Json({"report", "--service", "orders"})["processes"].size(), 1u);
  EXPECT_EQ(Json({"report", "--service", "other"})["processes"].size(), 0u);
}

TEST_F(CliLedgerTest, AReportOfNothingSaysWhatThereIs) {
  const auto sentence = [&](const std::vector<std::string>& arguments) {
    return Json(arguments)["answer"]["sentence"].get<std::string>();
  };
  EXPECT_EQ(sentence({"report"}), "Nothing was looked at: no process has written a ledger here");
  Write(OfThisProcess());
  EXPECT_EQ(sentence({"report", "--service", "order"}),
            "Nothing was looked at: no living process of order has a ledger here: there is orders "
            "(1 process); orders may be meant");
  EXPECT_EQ(sentence({"report", "--service", "warehouse"}),
            "Nothing was looked at: no living process of warehouse has a ledger here: there is "
            "orders (1 process)");
}

// A check in a script must not pass because nothing was there.
TEST_F(CliLedgerTest, AReportOfNothingFailsWhereItIsToFail) {
  const Outcome judged = InDirectory({"report", "--service", "order", "--fail-on", "likely"});
  EXPECT_EQ(judged.exit_code, 1);
  EXPECT_THAT(judged.err, HasSubstr("Nothing was looked at"));
  EXPECT_EQ(InDirectory({"report", "--service", "order"}).exit_code, 0);
}

TEST_F(CliLedgerTest, NamedLedgers) {
  const std::string path = Write(ExampleLedger());
  const nlohmann::json report = Json({"report", path});
  ASSERT_EQ(report["processes"].size(), 1u);
  EXPECT_EQ(report["processes"][0]["ledger"], path);
  EXPECT_EQ(report["call_sites"].size(), 3u);
}

TEST_F(CliLedgerTest, ReplacedByExec) {
  LedgerBuilder builder = OfThisProcess();
  Write(builder);
  Write(builder, ".1");
  EXPECT_EQ(Json({"ps"})["processes"].size(), 1u);
  const nlohmann::json all = Json({"ps", "--all"});
  ASSERT_EQ(all["processes"].size(), 2u);
  EXPECT_NE(all["processes"][0]["state"], all["processes"][1]["state"]);
}

TEST_F(CliLedgerTest, WhatCannotBeReadIsNamedAndTheRestIsShown) {
  Write(OfThisProcess());
  const std::string other = directory_.Path("77-1.ledger");
  std::string bytes = ExampleLedger().Bytes();
  bytes[8] = 9;
  WriteFile(other, bytes);
  const Outcome outcome = InDirectory({"report", "--all"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, StartsWith("pqleash: incomplete: ledger " + other +
                                      " has format version 9, expected 6"));
  EXPECT_THAT(outcome.out, HasSubstr("incomplete: ledger"));
  EXPECT_THAT(outcome.out, HasSubstr("10 open connections"));
  EXPECT_EQ(Json({"report", "--all", "--no-scan"}, 1)["incomplete"].size(), 1u);
}

TEST_F(CliLedgerTest, BadLedgersByName) {
  WriteFile(directory_.Path("empty"), "");
  WriteFile(directory_.Path("text"), "hello, world");
  WriteFile(directory_.Path("short"), ExampleLedger().Bytes().substr(0, 5'000));
  struct Case {
    const char* name;
    const char* sentence;
  };
  const Case cases[] = {
      {"none", " does not exist: name a file that `pqleash ps --all` lists\n"},
      {"empty",
       " is not written yet: its process is at its first connect, or died in it; try "
       "again\n"},
      {"text", " does not begin with the mark of a ledger: name a file that pqleash wrote\n"},
      {"short", "it was truncated; restart the process to get a whole one\n"},
  };
  for (const Case& test : cases) {
    const std::string path = directory_.Path(test.name);
    const Outcome outcome = Pqleash({"report", path});
    EXPECT_EQ(outcome.exit_code, 1) << test.name;
    EXPECT_THAT(outcome.err, StartsWith("pqleash: incomplete: ledger " + path)) << test.name;
    EXPECT_THAT(outcome.err, HasSubstr(test.sentence)) << test.name;
  }
}

TEST_F(CliLedgerTest, FailOn) {
  // The example's last sign of life gives an idle transaction no time; its failed connect was never
  // finished.
  LedgerBuilder ended = ExampleLedger();
  ended.header.process_state = ledger::kProcessEnded;
  const std::string proven = Write(ended);
  EXPECT_EQ(Pqleash({"report", proven}).exit_code, 0);
  EXPECT_EQ(Pqleash({"report", proven, "--fail-on", "proven"}).exit_code, 3);
  EXPECT_EQ(Pqleash({"report", proven, "--fail-on", "likely"}).exit_code, 3);
  EXPECT_EQ(Pqleash({"report", proven, directory_.Path("none"), "--fail-on", "likely"}).exit_code,
            1);

  LedgerBuilder spare;
  spare.header.pid = 5;
  spare.AddConnection(0, 0, 1, 1, 0);
  spare.AddConnection(0, 0, 900, 900, 4);
  const std::string likely = Write(spare);
  EXPECT_EQ(Pqleash({"report", likely, "--fail-on", "proven"}).exit_code, 0);
  EXPECT_EQ(Pqleash({"report", likely, "--fail-on", "likely"}).exit_code, 3);
  EXPECT_EQ(Pqleash({"report", likely, "--fail-on", "likely", "--min-age", "1h"}).exit_code, 0);
}

TEST_F(CliLedgerTest, FramesOfScripts) {
  LedgerBuilder builder = ExampleLedger();
  const uint32_t driver = builder.AddScriptFrame(
      ledger::kPython, "connect", "/usr/lib/python3/dist-packages/psycopg2/__init__.py", 122);
  builder.AddConnection(builder.AddCallSite(0x6666, {ScriptFrameAt(driver), ScriptFrameAt(0),
                                                     ModuleFrame(0, 0x777), ModuleFrame(0, 0x888)}),
                        0, 1, 1, 1);
  const std::string path = Write(builder);
  const Outcome plain = Pqleash({"report", path});
  EXPECT_THAT(plain.out, HasSubstr(" #1 handle_order  /srv/orders/views.py:42 (python)"));
  EXPECT_THAT(plain.out,
              HasSubstr("(2 native frames of the interpreter hidden: --native shows them)"));
  EXPECT_THAT(plain.out, HasSubstr(". handle_order (/srv/orders/views.py:42)\n     open 1,"));
  const Outcome native = Pqleash({"report", path, "--native"});
  EXPECT_THAT(native.out, Not(HasSubstr("hidden")));
  EXPECT_THAT(native.out, HasSubstr("#3 /opt/orders/bin/orders+0x888"));
  const Outcome other = Pqleash({"report", path, "--library-path", "/srv/orders/*"});
  EXPECT_THAT(other.out, HasSubstr(". connect (/usr/lib/python3/dist-packages/psycopg2/"));
}

TEST_F(CliLedgerTest, ForkShared) {
  const std::string opener = Write(ExampleLedger());
  const std::string child = Write(ExampleChildLedger());
  const Outcome text = Pqleash({"report", opener, child, "--fail-on", "proven"});
  EXPECT_EQ(text.exit_code, 3);
  const nlohmann::json report =
      nlohmann::json::parse(Pqleash({"report", opener, child, "--format", "json"}).out);
  const nlohmann::json& finding = report["findings"][0];
  EXPECT_EQ(finding["kind"], "fork-shared");
  EXPECT_EQ(finding["stacks"].size(), 2u);
  EXPECT_EQ(finding["stacks"][1]["call_site"], "0000000000005555");
  EXPECT_EQ(report["processes"][1]["coverage"]["intercepted"], nlohmann::json::array({"dlsym"}));
  EXPECT_EQ(report["processes"][1]["coverage"]["interpreters"], nlohmann::json::array({"python"}));
}

// Doctor. Whether the library is there depends on what was built.

nlohmann::json CheckOf(const nlohmann::json& diagnosis, const std::string& what) {
  for (const nlohmann::json& check : diagnosis["checks"]) {
    if (check["what"] == what) return check;
  }
  return nullptr;
}

TEST_F(CliLedgerTest, DoctorOfTheInstallation) {
  const Outcome outcome = InDirectory({"doctor", "--format", "json"});
  const nlohmann::json diagnosis = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(diagnosis["schema"], "pqleash.doctor/1");
  EXPECT_EQ(outcome.exit_code, diagnosis["passed"] ? 0 : 1);
  EXPECT_EQ(outcome.err, "");
  for (const char* what : {"library", "ledger directory", "space for ledgers", "ledgers",
                           "kernel, MADV_WIPEONFORK", "look into other processes"}) {
    EXPECT_FALSE(CheckOf(diagnosis, what).is_null()) << what;
  }
  const Outcome text = InDirectory({"doctor"});
  EXPECT_EQ(text.exit_code, outcome.exit_code);
  EXPECT_THAT(text.out, HasSubstr("\nok    ledger directory: " + directory_.path()));
}

TEST_F(CliLedgerTest, DoctorOfALibraryThatIsNone) {
  const std::string library = directory_.Path("libpqleash.so");
  WriteFile(library, "text");
  const Outcome outcome = InDirectory({"doctor", "--library", library, "--format", "json"});
  EXPECT_EQ(outcome.exit_code, 1);
  const nlohmann::json diagnosis = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(CheckOf(diagnosis, "library")["verdict"], "fail");
  EXPECT_EQ(CheckOf(diagnosis, "preload")["verdict"], "fail");
  EXPECT_EQ(diagnosis["passed"], false);
}

TEST_F(CliLedgerTest, DoctorOfACommand) {
  // Any library that can be preloaded will do: the program does not connect.
  const Outcome outcome = InDirectory({"doctor", "--format", "json", "--", "/bin/true"});
  const nlohmann::json diagnosis = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(CheckOf(diagnosis, "program")["verdict"], "ok");
  if (CheckOf(diagnosis, "library")["verdict"] == "ok") {
    EXPECT_EQ(CheckOf(diagnosis, "trial run")["verdict"], "ok");
    EXPECT_EQ(CheckOf(diagnosis, "ledger")["verdict"], "warn");
    EXPECT_EQ(outcome.exit_code, 0);
  }
  const Outcome missing = InDirectory({"doctor", "--", directory_.Path("none")});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.out, HasSubstr("\nfail  program: "));
}

TEST_F(CliLedgerTest, DoctorOfAStaticProgram) {
  const Outcome outcome = InDirectory({"doctor", "--format", "json", "--", PQLEASH_STATIC_SUBJECT});
  EXPECT_EQ(outcome.exit_code, 1);
  const nlohmann::json program = CheckOf(nlohmann::json::parse(outcome.out), "program");
  EXPECT_EQ(program["verdict"], "fail");
  EXPECT_THAT(program["detail"].get<std::string>(), HasSubstr("statically linked"));
}

TEST_F(CliLedgerTest, DoctorKeepsStdoutForTheResult) {
  const Outcome outcome = InDirectory({"doctor", "--format", "json", "--", "echo", "spoken"});
  EXPECT_THAT(outcome.out, StartsWith("{"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("spoken")));
}

TEST_F(CliLedgerTest, DoctorOfAPid) {
  const Outcome without =
      InDirectory({"doctor", "--format", "json", "--pid", std::to_string(getpid())});
  EXPECT_EQ(without.exit_code, 1);
  EXPECT_THAT(CheckOf(nlohmann::json::parse(without.out), "ledger")["detail"].get<std::string>(),
              HasSubstr("was not preloaded into it"));
  LedgerBuilder builder = OfThisProcess();
  builder.header.interpreters = 1u << ledger::kPython;
  builder.header.bypassed_calls = 3;
  Write(builder);
  const nlohmann::json diagnosis = nlohmann::json::parse(
      InDirectory({"doctor", "--format", "json", "--pid", std::to_string(getpid())}).out);
  EXPECT_EQ(CheckOf(diagnosis, "connects")["verdict"], "ok");
  EXPECT_EQ(CheckOf(diagnosis, "libpq")["verdict"], "ok");
  EXPECT_EQ(CheckOf(diagnosis, "frames of python")["verdict"], "ok");
  EXPECT_EQ(CheckOf(diagnosis, "coverage")["verdict"], "warn");
  const Outcome gone = InDirectory({"doctor", "--pid", "2000000001"});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_THAT(gone.out, HasSubstr("there is no such process"));
}

TEST_F(CliLedgerTest, ResultThatCannotBeWrittenIsAFailure) {
  const std::string path = Write(ExampleLedger());
  const Outcome outcome =
      Execute({"sh", "-c", std::string(PQLEASH_TOOL) + " report " + path + " > /dev/full"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("pqleash: the result could not be written to stdout"));
}

}  // namespace
}  // namespace pqleash::reporter
