// SPDX-License-Identifier: Apache-2.0
//
// Programs that reach libpq through a driver, at the limit of a cap: they wait and connect as soon
// as there is room, or raise what their driver raises for every failed connect.

#include <gtest/gtest.h>

#include <cstdlib>
#include <ostream>
#include <regex>

#include "tests/caps/capped.h"
#include "tests/e2e/observed.h"
#include "tests/support/lateness.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

// A program that prints 'ready', reads a line, connects, and prints how long that took ('after
// SECONDS') and either 'value 42', the answer to a query, or 'error TEXT'.
struct Driver {
  std::string name;  // of the test: letters and digits
  Words installed;   // a command that succeeds where the driver is there
  Words command;
  std::string error;      // a regular expression: what it makes of a refusal
  std::string also = {};  // what it prints beside
};
std::ostream& operator<<(std::ostream& stream, const Driver& driver) {
  return stream << driver.name;
}

const char* const kRefusal =
    "pqleash refused this connection because cap \"db\" of service \"shop\" allows 1 and 1 are in "
    "use";

std::string Source(const std::string& name) {
  return std::string(PQLEASH_TEST_DRIVERS) + "/" + name;
}
Words Python(const std::string& script) { return {"/usr/bin/python3", Source(script)}; }
Words Imports(const std::string& module) { return {"/usr/bin/python3", "-c", "import " + module}; }
Words Ruby(const std::string& method) { return {"/usr/bin/ruby", Source("ruby_pg.rb"), method}; }
const Words kRubyPg = {"/usr/bin/ruby", "-e", "require 'pg'"};
Words PhpExtension(const std::string& name) {
  return {"/usr/bin/php", "-r", "exit(extension_loaded('" + name + "') ? 0 : 1);"};
}

std::vector<Driver> Drivers() {
  return {
      {.name = "Psycopg2",
       .installed = Imports("psycopg2"),
       .command = Python("psycopg2_plain.py"),
       .error = "error pqleash refused"},
      {.name = "Psycopg2Async",
       .installed = Imports("psycopg2"),
       .command = Python("psycopg2_async.py"),
       .error = "error pqleash refused"},
      {.name = "Psycopg2Green",
       .installed = Imports("psycopg2"),
       .command = Python("psycopg2_green.py"),
       .error = "error pqleash refused"},
      {.name = "Psycopg3",
       .installed = Imports("psycopg"),
       .command = Python("psycopg3_sync.py"),
       .error = "error .*pqleash refused"},
      {.name = "Psycopg3Asyncio",
       .installed = Imports("psycopg"),
       .command = Python("psycopg3_asyncio.py"),
       .error = "error .*pqleash refused",
       .also = "ticks went on"},
      {.name = "RubyPgConnect",
       .installed = kRubyPg,
       .command = Ruby("connect"),
       .error = "error .*pqleash refused"},
      {.name = "RubyPgSyncConnect",
       .installed = kRubyPg,
       .command = Ruby("sync_connect"),
       .error = "error .*pqleash refused"},
      {.name = "PhpPgsql",
       .installed = PhpExtension("pgsql"),
       .command = {"/usr/bin/php", Source("php_pgsql.php"), "sync"},
       .error = "error pg_connect\\(\\): Unable to connect to PostgreSQL server: pqleash refused"},
      {.name = "PhpPgsqlAsync",
       .installed = PhpExtension("pgsql"),
       .command = {"/usr/bin/php", Source("php_pgsql.php"), "async"},
       .error = "error .*pqleash refused"},
      {.name = "PhpPdo",
       .installed = PhpExtension("pdo_pgsql"),
       .command = {"/usr/bin/php", Source("php_pdo.php")},
       .error = "error SQLSTATE\\[08006\\] \\[7\\] pqleash refused"},
      {.name = "PerlDbdPg",
       .installed = {"/usr/bin/perl", "-MDBD::Pg", "-e", "1"},
       .command = {"/usr/bin/perl", Source("dbd_pg.pl")},
       .error = "error 08006 pqleash refused"},
  };
}

class AtTheLimit : public ::testing::TestWithParam<Driver> {
 protected:
  void SetUp() override {
    if (!Succeeds(GetParam().installed)) GTEST_SKIP() << "not installed";
    caps_.Set("PYTHONDONTWRITEBYTECODE", "1");
    caps_.Set("PQLEASH_SERVICE", "shop");
  }

  Command Program() {
    Command command = caps_.Preloaded(GetParam().command);
    command.hold_input = true;
    return command;
  }

  static double SecondsOf(const std::string& output) {
    std::smatch match;
    return std::regex_search(output, match, std::regex("after ([0-9.]+)")) ? std::stod(match[1])
                                                                           : -1;
  }

  Caps caps_;
};

TEST_P(AtTheLimit, WaitsAndConnectsWhenThereIsRoom) {
  caps_.Configure(Cap("service", 1, "wait", "wait_timeout = \"30s\""));
  Capped holder = caps_.Run();
  ASSERT_TRUE(holder.Open("a").ok);
  Subprocess program(Program());
  ASSERT_TRUE(program.WaitForOutput("ready")) << program.Wait().err;
  program.Write("go\n");
  ASSERT_TRUE(caps_.Reaches("db", 1, 1)) << program.output();
  // A second in which it might do something else than wait.
  WaitUntil([] { return false; }, milliseconds(1'000));
  EXPECT_EQ(caps_.State("db"), (PolicyState{1, 1, 1}));
  EXPECT_EQ(Psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'at_limit'"), "0");
  holder.Close("a");
  ASSERT_TRUE(program.WaitForOutput("done")) << program.Wait().err;
  const Outcome outcome = program.Wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("value 42"), std::string::npos) << outcome.out;
  EXPECT_GE(SecondsOf(outcome.out), 1.0);
  EXPECT_NE(outcome.out.find(GetParam().also), std::string::npos) << outcome.out;
  EXPECT_TRUE(caps_.Reaches("db", 0, 0)) << "after its end";
}

TEST_P(AtTheLimit, RaisesItsConnectionErrorWhenRefused) {
  for (const std::string policy : {"reject", "wait"}) {
    caps_.Configure(Cap("service", 1, policy, policy == "wait" ? "wait_timeout = \"700ms\"" : ""));
    Capped holder = caps_.Run();
    ASSERT_TRUE(holder.Open("a").ok);
    Subprocess program(Program());
    ASSERT_TRUE(program.WaitForOutput("ready")) << program.Wait().err;
    const Lateness late;
    program.Write("go\n");
    ASSERT_TRUE(program.WaitForOutput("done")) << program.output() << program.Wait().err;
    const Outcome outcome = program.Wait();
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_TRUE(std::regex_search(outcome.out, std::regex(GetParam().error))) << outcome.out;
    EXPECT_NE(outcome.out.find(kRefusal), std::string::npos) << outcome.out;
    if (policy == "wait") {
      const double seconds = SecondsOf(outcome.out);
      EXPECT_GE(seconds, 0.7);
      EXPECT_LE(seconds, late.Allows(1.0)) << "a plain sleeper was late by " << late.Worst();
      EXPECT_TRUE(SaysThatItWaited(outcome.out, 0.7, seconds)) << outcome.out;
    }
    EXPECT_TRUE(caps_.Reaches("db", 1, 0));
  }
}

std::string Name(const ::testing::TestParamInfo<Driver>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Driver, AtTheLimit, ::testing::ValuesIn(Drivers()), Name);

// -------------------------------------------------------------------------------------------------
// PostgreSQL's own programs.

class ToolAtTheLimit : public ::testing::Test {
 protected:
  void SetUp() override { caps_.Set("PQLEASH_SERVICE", "shop"); }
  Caps caps_;
};

TEST_F(ToolAtTheLimit, PsqlWaitsAndIsRefused) {
  caps_.Configure(Cap("service", 1, "wait", "wait_timeout = \"3s\""));
  Capped holder = caps_.Run();
  ASSERT_TRUE(holder.Open("a").ok);
  const Command psql =
      caps_.Preloaded({ServerProgram("psql"), "-XAtqc", "SELECT 42", "application_name=at_limit"});
  {
    Subprocess waiting(psql);
    ASSERT_TRUE(caps_.Reaches("db", 1, 1));
    holder.Close("a");
    EXPECT_EQ(waiting.Wait().out, "42\n");
    EXPECT_EQ(waiting.Wait().exit_code, 0) << waiting.Wait().err;
  }
  caps_.Configure(Cap("service", 1, "reject"));
  ASSERT_TRUE(WaitUntil([&] { return holder.Open("a").ok; }));
  const Outcome refused = RunToEnd(psql);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find(std::string("psql: error: ") + kRefusal), std::string::npos)
      << refused.err;
}

// -C: each transaction has a connection of its own. A thread of pgbench connects for one client
// while another of its clients holds a connection, and waits in place: with two clients a thread
// there must be one place more than threads, or all hold one and wait for another.
TEST_F(ToolAtTheLimit, PgbenchGetsAllItsTransactionsDone) {
  const struct {
    const char* scope;
    int limit;
    const char* threads;
  } kTable[] = {{"process", 3, "-j8"}, {"service", 3, "-j8"}, {"process", 5, "-j4"}};
  for (const auto& [scope, limit, threads] : kTable) {
    Caps caps;
    caps.Set("PQLEASH_SERVICE", "shop");
    caps.Configure(Cap(scope, limit, "wait", "wait_timeout = \"30s\""));
    const std::string script = caps.file("script");
    RunToEnd({.arguments = {"sh", "-c", "echo 'SELECT 42;' >" + script}});
    Command pgbench = caps.Preloaded(
        {ServerProgram("pgbench"), "-n", "-C", "-c8", threads, "-t40", "-f", script});
    const Outcome outcome = RunToEnd(pgbench);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("actually processed: 320/320"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("failed transactions: 0"), std::string::npos) << outcome.out;
    EXPECT_EQ(caps.Logged("cap \"db\" is reached"), 1) << caps.Log();
  }
}

TEST_F(ToolAtTheLimit, PgbenchSaysThatItIsRefused) {
  caps_.Configure(Cap("process", 3, "reject"));
  // Without -C each client keeps its connection: the fourth is refused.
  const std::string script = caps_.file("script");
  RunToEnd({.arguments = {"sh", "-c", "echo 'SELECT pg_sleep(0.2);' >" + script}});
  const Outcome outcome = RunToEnd(
      caps_.Preloaded({ServerProgram("pgbench"), "-n", "-c8", "-j4", "-t2", "-f", script}));
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_NE(outcome.err.find("pqleash refused this connection because cap \"db\""),
            std::string::npos)
      << outcome.err;
}

}  // namespace
}  // namespace pqleash::testing
