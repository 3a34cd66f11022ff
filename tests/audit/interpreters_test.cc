// SPDX-License-Identifier: Apache-2.0
//
// What interpreters close in their own shutdown, and what a program closes at its end: pairs of
// scripts for real interpreters and drivers, on a real server. To be run by scripts/with-postgres.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

using Words = std::vector<std::string>;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

struct Interpreter {
  std::string name;    // as findings write it
  Words program;       // that runs a script
  Words asks;          // succeeds where the driver is there
  std::string suffix;  // of a script
};

const Interpreter kPython = {
    "Python", {"/usr/bin/python3"}, {"/usr/bin/python3", "-c", "import psycopg2"}, ".py"};
const Interpreter kPython3 = {
    "Python", {"/usr/bin/python3"}, {"/usr/bin/python3", "-c", "import psycopg"}, ".py"};
const Interpreter kRuby = {"Ruby", {"/usr/bin/ruby"}, {"/usr/bin/ruby", "-rpg", "-e", "1"}, ".rb"};
const Interpreter kPerl = {
    "Perl", {"/usr/bin/perl"}, {"/usr/bin/perl", "-MDBD::Pg", "-e", "1"}, ".pl"};
const Interpreter kPhp = {"PHP",
                          {"/usr/bin/php"},
                          {"/usr/bin/php", "-r", "exit(function_exists('pg_connect') ? 0 : 1);"},
                          ".php"};

struct Script {
  const char* what;
  const Interpreter& interpreter;
  std::string text;  // lines that open and leave open end in a comment 'LEFT'
  int left = 0;      // connections that are left open; 0: audited green
};

// What each script begins with.
const std::string kPerlStart =
    "use strict; use DBI;\n"
    "sub c { DBI->connect('dbi:Pg:', undef, undef, {RaiseError => 1, @_}) }\n";
const std::string kPhpStart =
    "<?php\n"
    "function c() { return pg_connect('host=' . getenv('PGHOST'), PGSQL_CONNECT_FORCE_NEW); }\n";

std::vector<Script> Scripts() {
  return {
      {"kept by a module", kPython, "import psycopg2\nkept = psycopg2.connect('')  # LEFT\n", 1},
      {"kept by a class, sys.exit", kPython,
       "import psycopg2, sys\n"
       "class Db: pass\n"
       "def main():\n"
       "    Db.conn = psycopg2.connect('')  # LEFT\n"
       "    sys.exit(0)\n"
       "main()\n",
       1},
      {"a pool that nobody closes", kPython,
       "import psycopg2.pool\n"
       "pool = psycopg2.pool.SimpleConnectionPool(2, 4, '')  # LEFT\n"
       "pool.putconn(pool.getconn())\n",
       2},
      {"in a child of a fork", kPython,
       "import psycopg2, os\n"
       "if os.fork() == 0:\n"
       "    kept = psycopg2.connect('')  # LEFT\n"
       "else:\n"
       "    os.wait()\n",
       1},
      {"left by the pure driver", kPython3,
       "import psycopg\n"
       "kept = [psycopg.connect('') for _ in range(2)]  # LEFT\n",
       2},
      {"every way to close", kPython,
       "import psycopg2, psycopg2.pool, atexit, contextlib\n"
       "psycopg2.connect('').close()\n"
       "with contextlib.closing(psycopg2.connect('')): pass\n"
       "def local(): c = psycopg2.connect('')\n"
       "local()\n"
       "last = psycopg2.connect('')\n"
       "atexit.register(last.close)\n"
       "pool = psycopg2.pool.SimpleConnectionPool(2, 4, '')\n"
       "atexit.register(pool.closeall)\n"},
      {"the parent's, in a child that ends", kPython,
       "import psycopg2, os, sys\n"
       "c = psycopg2.connect('')\n"
       "if os.fork() == 0: sys.exit(0)\n"
       "os.wait()\n"
       "c.close()\n"},
      {"every way to close", kPython3,
       "import psycopg, atexit\n"
       "with psycopg.connect('') as c: c.execute('select 1')\n"
       "last = psycopg.connect('')\n"
       "atexit.register(last.close)\n"},

      {"kept by the file", kPerl, kPerlStart + "my $d = c();  # LEFT\n$d->do('select 1');\n", 1},
      {"kept by the file and a sub", kPerl,
       kPerlStart + "my $d = c();  # LEFT\nsub get { $d }\nget()->do('select 1');\nexit(0);\n", 1},
      {"kept by a package", kPerl, kPerlStart + "our @all;\npush @all, c() for 1 .. 3;  # LEFT\n",
       3},
      {"left by exit in a sub", kPerl,
       kPerlStart + "sub work {\n  my $d = c();  # LEFT\n  exit 0;\n}\nwork();\n", 1},
      {"a circle", kPerl, kPerlStart + "my $a = {d => c()};  # LEFT\n$a->{self} = $a;\nundef $a;\n",
       1},
      {"every way to close", kPerl,
       kPerlStart + "c()->disconnect;\n"
                    "{ my $d = c(); $d->do('select 1'); }\n"
                    "if (1) { my $d = c(); $d->do('select 1'); }\n"
                    "sub local_one { my $d = c(); $d->do('select 1'); }\n"
                    "local_one();\n"
                    "my $u = c(); undef $u;\n"
                    "package Own { sub new { bless {d => main::c()} } sub DESTROY { "
                    "$_[0]{d}->disconnect } }\n"
                    "my $own = Own->new;\n"
                    "our $last = c();\n"
                    "my $mine = c(); sub mine { $mine }\n"
                    "END { $last->disconnect; mine()->disconnect }\n"},

      {"kept by a global", kRuby,
       "require 'pg'\n$kept = PG.connect  # LEFT\nat_exit { puts 'bye' }\n", 1},
      {"left by a method", kRuby,
       "require 'pg'\n"
       "def work\n"
       "  PG.connect.exec('select 1')  # LEFT\n"
       "end\n"
       "GC.disable\n"
       "work\n"
       "exit 0\n",
       1},
      {"in a child of a fork", kRuby,
       "require 'pg'\n"
       "Process.wait(fork do\n"
       "  $kept = PG.connect  # LEFT\n"
       "end)\n",
       1},
      {"every way to close", kRuby,
       "require 'pg'\n"
       "Process.wait(fork do\n"
       "  e = PG.connect; at_exit { e.close }\n"
       "  f = PG.connect; trap('EXIT') { f.close }\n"
       "  PG.connect.close\n"
       "end)\n"
       "c = PG.connect\n"
       "begin; c.exec('select 1'); ensure c.close; end\n"
       "PG.connect { |d| d.exec('select 1') }\n"
       "last = PG.connect\n"
       "at_exit { last.close }\n"
       "trapped = PG.connect\n"
       "trap('EXIT') { trapped.close }\n"
       "Thread.new { PG.connect.close }.join\n"},

      {"kept by a variable", kPhp, kPhpStart + "$kept = [c(), c()];  // LEFT\n", 2},
      {"kept by an object and a static", kPhp,
       kPhpStart + "class Repo { static $c; public $d; }\n"
                   "$r = new Repo;\n"
                   "$h = 'pgsql:host=' . getenv('PGHOST');\n"
                   "$r->d = Repo::$c = new PDO($h);  // LEFT\n",
       1},
      {"every way to close", kPhp,
       kPhpStart + "$c = c(); pg_query($c, 'select 1'); pg_close($c);\n"
                   "class Own { private $c; function __construct() { $this->c = c(); }\n"
                   "  function __destruct() { pg_close($this->c); } }\n"
                   "$own = new Own;\n"
                   "$last = c(); register_shutdown_function(function () use ($last) { "
                   "pg_close($last); });\n"
                   "function local_one() { $c = c(); }\n"
                   "local_one();\n"
                   "$pdo = new PDO('pgsql:host=' . getenv('PGHOST')); $pdo = null;\n"
                   "$kept_for_the_next = pg_pconnect('host=' . getenv('PGHOST'));\n"},
  };
}

bool Runs(const Words& program) {
  if (access(program[0].c_str(), X_OK) != 0) return false;
  return RunToEnd({.arguments = program}).exit_code == 0;
}

class AuditOfInterpreters : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
  }

  Outcome Audit(const Words& program) {
    Words words = {PQLEASH_TEST_TOOL, "audit", "--"};
    words.insert(words.end(), program.begin(), program.end());
    Outcome outcome = RunToEnd({.arguments = words, .environment = {{"LD_PRELOAD", std::nullopt}}});
    outcome.err = std::regex_replace(outcome.err, std::regex("\\s+"), " ");
    return outcome;
  }

  void Check(const Interpreter& interpreter) {
    if (!Runs(interpreter.asks))
      GTEST_SKIP() << "no " << interpreter.program[0] << " with a driver for PostgreSQL";
    for (const Script& script : Scripts()) {
      if (&script.interpreter != &interpreter) continue;
      SCOPED_TRACE(script.what);
      const std::string file = directory_ / ("script" + interpreter.suffix);
      std::ofstream(file) << script.text;
      Words program = interpreter.program;
      program.push_back(file);
      const Outcome outcome = Audit(program);
      if (script.left == 0) {
        EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
        EXPECT_THAT(outcome.err, HasSubstr("no finding fails"));
        continue;
      }
      EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
      EXPECT_THAT(outcome.err, HasSubstr(" 1 finding fails"));
      EXPECT_THAT(outcome.err, HasSubstr(" leak-suspect (likely) " + std::to_string(script.left) +
                                         (script.left == 1 ? " connection" : " connections")));
      EXPECT_THAT(outcome.err, HasSubstr("; " + interpreter.name + " closed " +
                                         (script.left == 1 ? "it" : "them")));
      EXPECT_THAT(outcome.err, ContainsRegex("script\\" + interpreter.suffix + ":" +
                                             std::to_string(LineOfLeft(script.text)) + " "));
    }
  }

  static long LineOfLeft(const std::string& text) {
    const size_t left = text.find(" LEFT\n");
    return 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(left), '\n');
  }

  const TemporaryDirectory directory_;
};

TEST_F(AuditOfInterpreters, PythonWithPsycopg2) { Check(kPython); }
TEST_F(AuditOfInterpreters, PythonWithPsycopg) { Check(kPython3); }
TEST_F(AuditOfInterpreters, Perl) { Check(kPerl); }
TEST_F(AuditOfInterpreters, Ruby) { Check(kRuby); }
TEST_F(AuditOfInterpreters, Php) { Check(kPhp); }

// What it closes itself is its own, whatever has become of its interpreter, and while it lives
// nothing is left open.
TEST_F(AuditOfInterpreters, AHostThatEndsItsPythonAndGoesOn) {
  const Outcome found =
      RunToEnd({.arguments = {"/bin/sh", "-c", "ls /usr/lib/*/libpython3.*.so.1.0 | tail -n 1"}});
  const std::string library = found.out.substr(0, found.out.find('\n'));
  if (library.empty()) GTEST_SKIP() << "no libpython";
  const Outcome outcome = Audit({PQLEASH_TEST_EMBEDDING, library});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("3 connections opened: 1 finding fails"));
  EXPECT_THAT(outcome.err, ContainsRegex("1 connection opened by [A-Za-z.]*__init__ "));
  EXPECT_THAT(outcome.err, HasSubstr("; Python closed it"));

  const std::string ledgers = directory_ / "ledgers";
  Command command = {.arguments = {PQLEASH_TEST_TOOL, "run", "--", PQLEASH_TEST_EMBEDDING, library},
                     .environment = {{"LD_PRELOAD", std::nullopt}, {"PQLEASH_DIR", ledgers}},
                     .hold_input = true};
  Subprocess host(command);
  ASSERT_TRUE(host.WaitForOutput("ready"));
  const auto report = [&] {
    return RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "report", "--all", "--format", "json"},
                     .environment = {{"PQLEASH_DIR", ledgers}}})
        .out;
  };
  EXPECT_THAT(report(), Not(HasSubstr("\"left_open\"")));
  host.CloseInput();
  EXPECT_EQ(host.Wait().exit_code, 0);
  EXPECT_THAT(report(), HasSubstr("\"left_open\""));
}

// A worker goes on after a request, whose connections PHP closes by design.
TEST_F(AuditOfInterpreters, TheEndOfARequestIsNotTheEndOfPhp) {
  if (!Runs(kPhp.asks) || !Runs({"/bin/sh", "-c", "ls /usr/sbin/php-fpm* && command -v cgi-fcgi"}))
    GTEST_SKIP() << "no PHP-FPM with a driver for PostgreSQL, or no cgi-fcgi";
  const std::string script = directory_ / "page.php";
  std::ofstream(script) << kPhpStart << "$c = c(); pg_query($c, 'select 1'); echo 'served';\n";
  const std::string conf = directory_ / "fpm.conf";
  std::ofstream(conf) << "[global]\nerror_log = " << (directory_ / "fpm.log")
                      << "\n[www]\nlisten = " << (directory_ / "fpm.sock")
                      << "\nuser = root\ngroup = root\nclear_env = no\npm = static\n"
                         "pm.max_children = 1\n";
  const std::string run =
      "cd " + directory_.path().string() +
      "; $(ls /usr/sbin/php-fpm* | head -n 1) -R -F -y fpm.conf & "
      "until test -S fpm.sock; do kill -0 $! || exit 9; done; "
      "for i in 1 2; do SCRIPT_FILENAME=$PWD/page.php REQUEST_METHOD=GET cgi-fcgi -bind -connect "
      "fpm.sock; done; kill -QUIT $!; wait";
  const Outcome outcome = Audit({"/bin/sh", "-c", run});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err << outcome.out;
  EXPECT_THAT(outcome.out, ContainsRegex("served[^~]*served"));
  EXPECT_THAT(outcome.err, HasSubstr("2 connections were closed by PHP at the end of a request"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("leak-suspect")));
}

}  // namespace
}  // namespace pqleash::testing
