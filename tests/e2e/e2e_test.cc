// SPDX-License-Identifier: Apache-2.0
//
// The whole product as its users have it: unchanged programs, a real server, and the command-line
// tool. To be run by scripts/with-postgres, one test a server.

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "tests/e2e/observed.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

// Thresholds that judge at once what would take minutes.
const Words kAtOnce = {"--min-age", "0s", "--min-idle", "0s"};

class EndToEnd : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
  }

  // The line that `orders` said its function connects in.
  static int LineOf(const Outcome& outcome, const std::string& function) {
    std::smatch match;
    const std::regex pattern(function + " connects in line (\\d+)");
    if (!std::regex_search(outcome.out, match, pattern)) return -1;
    return std::stoi(match[1]);
  }

  static std::string ReadFile(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  // `orders`, preloaded; it lives until its input is closed.
  Command Orders(const Words& arguments) const {
    Words words = {PQLEASH_TEST_ORDERS};
    words.insert(words.end(), arguments.begin(), arguments.end());
    Command command = observed_.Preloaded(words);
    command.hold_input = true;
    return command;
  }

  Observed observed_;
};

TEST_F(EndToEnd, ReportNamesFunctionFileAndLineOfALeak) {
  Subprocess orders(Orders({"4", "7"}));
  ASSERT_TRUE(orders.WaitForOutput("ready"));
  const Json report = observed_.Report();
  EXPECT_EQ(TotalsOf(report), (Totals{1, 4, 11, 7, 0}));
  EXPECT_EQ(Psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orders'"), "4");

  const Json leak = CallSiteIn(report, "WriteAuditRecord");
  ASSERT_FALSE(leak.is_null()) << report.dump(1);
  EXPECT_EQ(leak["open"], 4);
  EXPECT_EQ(leak["opened_total"], 4);
  EXPECT_EQ(leak["closed_total"], 0);
  EXPECT_EQ(leak["connections"].size(), 4u);
  EXPECT_EQ(report["call_sites"][0]["id"], leak["id"]) << "the leak is not the first";
  const Json innermost = leak["frames"][0];
  EXPECT_NE(innermost["function"].get<std::string>().find("WriteAuditRecord"), std::string::npos)
      << innermost;
  EXPECT_TRUE(innermost["file"].get<std::string>().ends_with("orders.cc")) << innermost;
  EXPECT_FALSE(FrameIn(leak, "main").is_null()) << leak["frames"];

  const Json closed = CallSiteIn(report, "ReadPrice");
  EXPECT_EQ(closed["open"], 0);
  EXPECT_EQ(closed["closed_total"], 7);

  orders.CloseInput();
  EXPECT_EQ(orders.Wait().exit_code, 42);
  EXPECT_EQ(innermost["line"], LineOf(orders.Wait(), "WriteAuditRecord"));
}

// A driver of its own over TCP, as asyncpg, JDBC, pgx and node-postgres have it.
TEST_F(EndToEnd, WhoDoesWithoutLibpqIsToldSo) {
  const std::string script =
      "import os, socket, sys\n"
      "s = socket.create_connection((sys.argv[1], int(os.environ['PGPORT'])))\n"
      "print('pid', os.getpid(), flush=True)\n"
      "sys.stdin.read()\n";
  Command command =
      observed_.UnderRun({"/usr/bin/python3", "-c", script, getenv("PQLEASH_TEST_TCP_HOST")});
  command.hold_input = true;
  Subprocess run(command);
  ASSERT_TRUE(run.WaitForOutput("\n"));
  const std::string child = run.output().substr(4, run.output().find('\n') - 4);
  const auto said = [&](const std::string& pid) {
    return std::regex_replace(observed_.Tool({"report", "--pid", pid}).err, std::regex("\\s+"),
                              " ");
  };
  EXPECT_NE(said(child).find("it has 1 connection to port"), std::string::npos) << said(child);
  EXPECT_NE(said(child).find("has not loaded libpq"), std::string::npos);
  const std::string parent = said(std::to_string(run.pid()));
  EXPECT_NE(parent.find("look at process " + child), std::string::npos) << parent;
  run.CloseInput();
  EXPECT_EQ(run.Wait().exit_code, 0);
}

TEST_F(EndToEnd, EachConnectionNamesItsBackend) {
  Subprocess orders(Orders({"3", "0"}));
  ASSERT_TRUE(orders.WaitForOutput("ready"));
  const Json leak = CallSiteIn(observed_.Report(), "WriteAuditRecord");
  ASSERT_FALSE(leak.is_null());
  for (const Json& connection : leak["connections"]) {
    const std::string backend = connection["backend_pid"].dump();
    EXPECT_EQ(Psql("SELECT application_name FROM pg_stat_activity WHERE pid = " + backend),
              "orders");
    EXPECT_EQ(connection["dbname"], getenv("PGDATABASE"));
    EXPECT_EQ(connection["user"], getenv("PGUSER"));
    EXPECT_EQ(connection["host"], getenv("PGHOST"));
    EXPECT_EQ(connection["application_name"], "orders");
    EXPECT_EQ(connection["queries"], 1);
  }
}

TEST_F(EndToEnd, LedgerSurvivesKill) {
  Subprocess orders(Orders({"4", "7"}));
  ASSERT_TRUE(orders.WaitForOutput("ready"));
  const Json before = observed_.Report();
  ASSERT_EQ(TotalsOf(before).processes, 1u);
  EXPECT_EQ(before["processes"][0]["pid"], orders.pid());
  EXPECT_EQ(before["processes"][0]["alive"], true);
  orders.Signal(SIGKILL);
  EXPECT_EQ(orders.Wait().signal, SIGKILL);
  const Json after = observed_.Report();
  EXPECT_EQ(TotalsOf(after), (Totals{1, 4, 11, 7, 0}));
  EXPECT_EQ(after["processes"][0]["alive"], false);
  EXPECT_EQ(CallSiteIn(after, "WriteAuditRecord")["open"], 4);
  EXPECT_TRUE(WaitUntil([] {
    return Psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orders'") == "0";
  }));
}

TEST_F(EndToEnd, PsListsTheProcess) {
  Subprocess orders(Orders({"4", "7"}));
  ASSERT_TRUE(orders.WaitForOutput("ready"));
  const Outcome ps = observed_.Tool({"ps"});
  EXPECT_EQ(ps.exit_code, 0) << ps.err;
  EXPECT_NE(ps.out.find(std::to_string(orders.pid())), std::string::npos) << ps.out;
  EXPECT_NE(ps.out.find("orders"), std::string::npos) << ps.out;
}

TEST_F(EndToEnd, LeakIsFound) {
  Subprocess orders(Orders({"4", "7"}));
  ASSERT_TRUE(orders.WaitForOutput("ready"));
  const Json report = observed_.Report(kAtOnce);
  const Json finding = FindingOf(report, "leak-suspect");
  ASSERT_FALSE(finding.is_null()) << report["findings"].dump(1);
  EXPECT_EQ(finding["call_site"], CallSiteIn(report, "WriteAuditRecord")["id"]);
  EXPECT_EQ(report["findings"].size(), 1u) << report["findings"].dump(1);
  // Seconds after the connects nothing is judged by default.
  EXPECT_EQ(observed_.Report()["findings"].size(), 0u);
}

TEST_F(EndToEnd, FailedConnectIsFound) {
  Subprocess orders(Orders({"0", "1", "failed"}));
  ASSERT_TRUE(orders.WaitForOutput("ready"));
  const Json report = observed_.Report(kAtOnce);
  EXPECT_EQ(TotalsOf(report), (Totals{1, 0, 1, 1, 1}));
  const Json site = CallSiteIn(report, "ConnectToNothing");
  EXPECT_EQ(site["failed_total"], 1);
  EXPECT_EQ(site["open"], 0);
  const Json finding = FindingOf(report, "unfinished-failed-connect");
  ASSERT_FALSE(finding.is_null()) << report["findings"].dump(1);
  EXPECT_EQ(finding["call_site"], site["id"]);
}

TEST_F(EndToEnd, IdleInTransactionIsFound) {
  Subprocess orders(Orders({"0", "0", "in-transaction"}));
  ASSERT_TRUE(orders.WaitForOutput("ready"));
  const Json report = observed_.Report(kAtOnce);
  const Json finding = FindingOf(report, "idle-in-transaction");
  ASSERT_FALSE(finding.is_null()) << report["findings"].dump(1);
  EXPECT_EQ(finding["call_site"], CallSiteIn(report, "ReserveStock")["id"]);
  EXPECT_EQ(Psql("SELECT state FROM pg_stat_activity WHERE application_name = 'orders'"),
            "idle in transaction");
}

TEST_F(EndToEnd, RunPassesExitCodeOutputAndPreload) {
  const Outcome outcome = RunToEnd(observed_.UnderRun(
      {"sh", "-c", PQLEASH_TEST_ORDERS " 2 1 < /dev/null; echo err >&2; exit 17"}));
  EXPECT_EQ(outcome.exit_code, 17) << outcome.err;
  EXPECT_NE(outcome.out.find("ready"), std::string::npos);
  EXPECT_EQ(outcome.err, "err\n");
  EXPECT_EQ(TotalsOf(observed_.Report()), (Totals{1, 2, 3, 1, 0}));
}

TEST_F(EndToEnd, RunReportsAtExit) {
  const Outcome outcome =
      RunToEnd(observed_.UnderRun({PQLEASH_TEST_ORDERS, "2", "1"}, {"--report-at-exit"}));
  EXPECT_EQ(outcome.exit_code, 42) << outcome.err;
  EXPECT_NE(outcome.err.find("WriteAuditRecord"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out.find("WriteAuditRecord ("), std::string::npos) << "stdout is the program's";
}

TEST_F(EndToEnd, LibraryReportsAtExitIntoAFile) {
  Command command = observed_.Preloaded({PQLEASH_TEST_ORDERS, "2", "1"});
  const std::string file = observed_.file("at-exit");
  command.environment["PQLEASH_REPORT_AT_EXIT"] = file;
  const Outcome outcome = RunToEnd(command);
  EXPECT_EQ(outcome.exit_code, 42);
  EXPECT_EQ(outcome.err, "");
  const std::string report = ReadFile(file);
  EXPECT_NE(report.find("2 open"), std::string::npos) << report;
}

TEST_F(EndToEnd, ReportOfAProcessThatIsNotObservedSaysSo) {
  const std::string pid = std::to_string(getpid());
  const Outcome outcome = observed_.Tool({"report", "--pid", pid});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE((outcome.out + outcome.err).find("process " + pid + " has no ledger"),
            std::string::npos)
      << outcome.out << outcome.err;
}

TEST_F(EndToEnd, NothingSecretIsWrittenDown) {
  const std::string secret = "s3cr3t-w0rd";
  const Words words = {ServerProgram("psql"), "-XAtc", "SELECT 'query-text-" + secret + "'",
                       "password=" + secret + " sslpassword=" + secret};
  EXPECT_EQ(RunToEnd(observed_.Preloaded(words)).exit_code, 0);
  EXPECT_EQ(TotalsOf(observed_.Report()).opened, 1u);
  const Outcome grep = RunToEnd({.arguments = {"grep", "-rla", secret, observed_.ledgers()}});
  EXPECT_EQ(grep.exit_code, 1) << "found in " << grep.out;
}

// --- Programs that others wrote ------------------------------------------------------------------

TEST_F(EndToEnd, Pgbench) {
  const std::string pgbench = ServerProgram("pgbench");
  ASSERT_EQ(RunToEnd({.arguments = {pgbench, "-i", "-q"}}).exit_code, 0);
  const Outcome outcome =
      RunToEnd(observed_.Preloaded({pgbench, "-n", "-S", "-j4", "-c16", "-T2"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  // One for each client, and one that asks for the scale.
  EXPECT_EQ(TotalsOf(observed_.Report()), (Totals{1, 0, 17, 17, 0}));
}

TEST_F(EndToEnd, PgbenchInitialises) {
  const std::string pgbench = ServerProgram("pgbench");
  const Outcome bare = RunToEnd({.arguments = {pgbench, "-i"}});
  const Outcome preloaded = RunToEnd(observed_.Preloaded({pgbench, "-i"}));
  EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare));
  EXPECT_EQ(preloaded.out, bare.out);
  EXPECT_EQ(TotalsOf(observed_.Report()), (Totals{1, 0, 1, 1, 0}));
}

TEST_F(EndToEnd, PgbenchFailsAsBare) {
  const Words words = {ServerProgram("pgbench"), "-n", "-S", "-c2", "-t1", "no_such_database"};
  const Outcome bare = RunToEnd({.arguments = words});
  const Outcome preloaded = RunToEnd(observed_.Preloaded(words));
  EXPECT_EQ(bare.exit_code, 1);
  EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare));
  EXPECT_EQ(preloaded.err, bare.err);
  EXPECT_EQ(TotalsOf(observed_.Report()).failed, 1u);
}

TEST_F(EndToEnd, Psql) {
  const Words words = {ServerProgram("psql"), "-XAtc", "SELECT 1"};
  const Outcome bare = RunToEnd({.arguments = words});
  const Outcome preloaded = RunToEnd(observed_.Preloaded(words));
  EXPECT_EQ(preloaded.exit_code, 0);
  EXPECT_EQ(preloaded.out, "1\n");
  EXPECT_EQ(preloaded.err, bare.err);
  EXPECT_EQ(TotalsOf(observed_.Report()), (Totals{1, 0, 1, 1, 0}));
}

// Debian's /usr/bin/psql is a Perl script that changes LD_PRELOAD before it becomes psql.
TEST_F(EndToEnd, PsqlThroughDebiansWrapper) {
  if (access("/usr/bin/psql", X_OK) != 0) GTEST_SKIP() << "there is no /usr/bin/psql";
  const Outcome preloaded = RunToEnd(observed_.Preloaded({"/usr/bin/psql", "-XAtc", "SELECT 1"}));
  EXPECT_EQ(preloaded.exit_code, 0);
  EXPECT_EQ(preloaded.out, "1\n");
  EXPECT_EQ(preloaded.err, "");
  EXPECT_EQ(TotalsOf(observed_.Report()), (Totals{1, 0, 1, 1, 0}));
}

TEST_F(EndToEnd, PythonPsycopg2) {
  const Outcome there = RunToEnd({.arguments = {"/usr/bin/python3", "-c", "import psycopg2"}});
  if (there.exit_code != 0) GTEST_SKIP() << "python3-psycopg2 is not installed";
  const std::string script =
      "import psycopg2, sys\n"
      "def open_report():\n"
      "    return psycopg2.connect('')\n"
      "kept = [open_report() for i in range(3)]\n"
      "kept.pop().close()\n"
      "print('ready', flush=True)\n"
      "sys.stdin.read()\n";
  { std::ofstream(observed_.file("report.py")) << script; }
  Command command = observed_.Preloaded({"/usr/bin/python3", observed_.file("report.py")});
  command.hold_input = true;
  Subprocess python(command);
  ASSERT_TRUE(python.WaitForOutput("ready"));
  EXPECT_EQ(TotalsOf(observed_.Report()), (Totals{1, 2, 3, 1, 0}));
  python.CloseInput();
  EXPECT_EQ(python.Wait().exit_code, 0);
}

// A pool that one line fills: whoever took a connection last is who keeps it.
TEST_F(EndToEnd, TheHandlerThatTookAConnectionLastIsNamed) {
  const Outcome there = RunToEnd({.arguments = {"/usr/bin/python3", "-c", "import psycopg2"}});
  if (there.exit_code != 0) GTEST_SKIP() << "python3-psycopg2 is not installed";
  std::ofstream(observed_.file("shop.py")) << R"(import sys, threading, time
import psycopg2
def fill(): return [psycopg2.connect("") for _ in range(4)]
def order(connection): ask(connection)
def refund(connection): ask(connection)
def ask(connection):
    time.sleep(0.05)
    connection.cursor().execute("SELECT 1")
    connection.rollback()
def on_a_thread(function, connection):
    thread = threading.Thread(target=function, args=(connection,))
    thread.start()
    thread.join()
pool = fill()
order(pool[0])
refund(pool[0])
order(pool[1])
on_a_thread(refund, pool[2])
print("ready", flush=True)
sys.stdin.read()
)";
  Command command = observed_.Preloaded({"/usr/bin/python3", observed_.file("shop.py")});
  command.hold_input = true;
  Subprocess python(command);
  ASSERT_TRUE(python.WaitForOutput("ready"));
  const Json report = observed_.Report();
  ASSERT_EQ(report["call_sites"].size(), 1u) << "places of uses open nothing: " << report.dump(1);
  std::multiset<std::string> takers;
  for (const Json& connection : report["call_sites"][0]["connections"]) {
    const Json& taken = connection["last_taken"];
    takers.insert(taken.is_null() ? "nobody" : taken["line"].get<std::string>());
  }
  const std::string line = "ask (" + observed_.file("shop.py") + ":8), called by ";
  EXPECT_EQ(takers, (std::multiset<std::string>{
                        line + "order (" + observed_.file("shop.py") + ":4)",
                        line + "refund (" + observed_.file("shop.py") + ":5)",
                        line + "refund (" + observed_.file("shop.py") + ":5)", "nobody"}));
  EXPECT_EQ(report["processes"][0]["taken_up_total"], 4);
  EXPECT_EQ(report["processes"][0]["taken_up_without_place"], 0);
  python.CloseInput();
  EXPECT_EQ(python.Wait().exit_code, 0);

  command.environment["PQLEASH_USE_STACKS"] = "off";
  Subprocess off(command);
  ASSERT_TRUE(off.WaitForOutput("ready"));
  for (const Json& process : observed_.Report()["processes"]) {
    if (process["alive"] == true) {
      EXPECT_EQ(process["taken_up_total"], 0);
    }
  }
  off.CloseInput();
  EXPECT_EQ(off.Wait().exit_code, 0);
}

// Switched off, a look-up by handle passes us by, and the report says that something does.
TEST_F(EndToEnd, WhatPassesByIsSaid) {
  const std::string script =
      "import ctypes\n"
      "libpq = ctypes.CDLL('libpq.so.5')\n"
      "libpq.PQconnectdb.restype = ctypes.c_void_p\n"
      "libpq.PQfinish.argtypes = [ctypes.c_void_p]\n"
      "libpq.PQfinish(libpq.PQconnectdb(b''))\n";
  for (const bool on : {true, false}) {
    Command command = observed_.Preloaded({"/usr/bin/python3", "-c", script});
    command.environment["PQLEASH_INTERCEPT"] = on ? "dlsym" : "linker";
    EXPECT_EQ(RunToEnd(command).exit_code, 0);
    const auto report = observed_.Report();
    ASSERT_EQ(report["processes"].size(), on ? 1u : 2u);
    uint64_t opened = 0;
    uint64_t bypassed = 0;
    for (const auto& process : report["processes"]) {
      opened += process["opened_total"].get<uint64_t>();
      bypassed += process["coverage"]["bypassed_calls"].get<uint64_t>();
    }
    EXPECT_EQ(opened, 1u);
    EXPECT_EQ(bypassed > 0, !on);
  }
}

TEST_F(EndToEnd, ServersProgramsAreLeftAlone) {
  for (const char* name : {"postgres", "pg_ctl", "initdb"}) {
    const std::string program = observed_.file(name);
    std::filesystem::copy_file(PQLEASH_TEST_ORDERS, program);
    EXPECT_EQ(RunToEnd(observed_.Preloaded({program, "1", "1"})).exit_code, 42) << name;
    EXPECT_FALSE(std::filesystem::exists(observed_.ledgers())) << name;
  }
}

TEST_F(EndToEnd, TagsNameTheCallSiteInSql) {
  Command command = observed_.Preloaded({PQLEASH_TEST_TAGGED});
  command.hold_input = true;
  command.environment["PQLEASH_TAG_APPLICATION_NAME"] = "true";
  Subprocess tagged(command);
  ASSERT_TRUE(tagged.WaitForOutput("ready")) << tagged.output();
  const std::string out = tagged.output();
  const std::string id = " \\[([0-9a-f]{16})\\]'\n";
  for (const char* line :
       {"conninfo: 'plain", "uri: 'uri", "params: 'params", "expanded: 'two words", "login: 'login",
        "start: 'start", "startp: 'params", "reset: 'plain"}) {
    EXPECT_TRUE(std::regex_search(out, std::regex(line + id))) << line << " in\n" << out;
  }
  EXPECT_TRUE(std::regex_search(
      out, std::regex("long: 'an-application-whose-name-is-longer-than-any-tag-leaves-room'")))
      << out;
  EXPECT_TRUE(std::regex_search(out, std::regex("none: '\\[[0-9a-f]{16}\\]'"))) << out;
  // In the ledger the program's own names, and ids that a report knows.
  const Json report = observed_.Report();
  std::set<std::string> ids, names;
  for (const Json& site : report["call_sites"]) {
    ids.insert(site["id"]);
    for (const Json& connection : site["connections"]) names.insert(connection["application_name"]);
  }
  std::smatch match;
  ASSERT_TRUE(std::regex_search(out, match, std::regex("conninfo: 'plain" + id)));
  EXPECT_TRUE(ids.contains(match[1])) << match[1];
  for (const char* name : {"plain", "uri", "params", "two words", "login", "start", ""})
    EXPECT_TRUE(names.contains(name)) << "'" << name << "' in " << report.dump(2);
}

// Where pqleash only watches, the server sees nothing of it.
TEST_F(EndToEnd, NothingIsTaggedUnasked) {
  Command command = observed_.Preloaded({PQLEASH_TEST_TAGGED});
  command.hold_input = true;
  Subprocess untagged(command);
  ASSERT_TRUE(untagged.WaitForOutput("ready")) << untagged.output();
  EXPECT_NE(untagged.output().find("conninfo: 'plain'"), std::string::npos) << untagged.output();
  EXPECT_NE(untagged.output().find("none: ''"), std::string::npos) << untagged.output();
}

}  // namespace
}  // namespace pqleash::testing
