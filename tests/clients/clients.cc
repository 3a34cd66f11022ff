// SPDX-License-Identifier: Apache-2.0

#include "tests/clients/clients.h"

#include <filesystem>
#include <ostream>
#include <system_error>

#include "tests/e2e/observed.h"

namespace pqleash::testing {
namespace {

constexpr const char* kConninfo = "application_name=report_service";
// Of a worker with one leak, and with two.
constexpr Counts kOneLeak = {.open = 1, .opened = 2, .closed = 1};
constexpr Counts kTwoLeaks = {.open = 2, .opened = 3, .closed = 1};

std::string Source(const std::string& name) {
  return std::string(PQLEASH_TEST_CLIENT_SOURCES) + "/" + name;
}

std::string Built(const std::string& name) {
  return std::string(PQLEASH_TEST_CLIENT_PROGRAMS) + "/" + name;
}

// Debian's own interpreter: another one would not see Debian's modules.
Words Python(const std::string& script) { return {"/usr/bin/python3", Source(script)}; }
Words PythonModules(const std::string& names) {
  return {"/usr/bin/python3", "-c", "import " + names};
}

// Of psycopg's two modules the one in Python, whichever are installed.
Words PythonWithCtypes(const std::string& script) {
  return {"env", "PSYCOPG_IMPL=python", "/usr/bin/python3", Source(script)};
}

Words Ruby(const std::string& script) { return {"/usr/bin/ruby", Source(script)}; }
const Words kRubyPg = {"/usr/bin/ruby", "-e", "require 'pg'"};

Words Php(const std::string& script) { return {"/usr/bin/php", Source(script)}; }
Words PhpExtension(const std::string& name) {
  return {"/usr/bin/php", "-r", "exit(extension_loaded('" + name + "') ? 0 : 1);"};
}

// PHP opens its extensions with RTLD_DEEPBIND; since 8.4 only if it was configured to (DL_LOAD in
// Zend/zend_portability.h).
Way WayOfPhp() {
  const char* script =
      "ob_start(); phpinfo(INFO_GENERAL);"
      "exit(PHP_VERSION_ID < 80400 || strpos(ob_get_clean(), '--enable-rtld-deepbind') ? 0 : 1);";
  try {
    const Outcome outcome = RunToEnd({.arguments = {"/usr/bin/php", "-n", "-r", script},
                                      .environment = {{"LD_PRELOAD", std::nullopt}}});
    return outcome.exit_code == 1 ? Way::kBound : Way::kDeepBind;
  } catch (const std::system_error&) {
    return Way::kDeepBind;  // there is no PHP
  }
}

// `pattern` is the shell's; the first file that it stands for is printed.
Words Files(const std::string& pattern) { return {"sh", "-c", "ls " + pattern}; }
Words Executable(const std::string& path) { return {"test", "-x", path}; }

// The driver's path holds the name of the machine's architecture.
std::string OdbcDriver() {
  std::error_code ignored;
  for (const auto& directory : std::filesystem::directory_iterator("/usr/lib", ignored)) {
    const auto driver = directory.path() / "odbc" / "psqlodbcw.so";
    if (std::filesystem::exists(driver, ignored)) return driver;
  }
  return "no-driver";
}

std::vector<Client> PythonClients() {
  return {
      {.name = "Psycopg2",
       .title = "psycopg2",
       .package = "python3-psycopg2",
       .installed = PythonModules("psycopg2"),
       .command = Python("psycopg2_plain.py"),
       .source = "psycopg2_plain.py",
       .function = "open_report",
       .language = "python"},
      {.name = "Psycopg2Async",
       .title = "psycopg2, asynchronous",
       .package = "python3-psycopg2",
       .installed = PythonModules("psycopg2"),
       .command = Python("psycopg2_async.py"),
       .source = "psycopg2_async.py",
       .function = "open_report",
       .language = "python"},
      {.name = "Psycopg2Green",
       .title = "psycopg2 with a wait callback (gevent, eventlet)",
       .package = "python3-psycopg2",
       .installed = PythonModules("psycopg2"),
       .command = Python("psycopg2_green.py"),
       .source = "psycopg2_green.py",
       .function = "open_report",
       .language = "python"},
      {.name = "Psycopg3",
       .title = "psycopg 3 (ctypes)",
       .package = "python3-psycopg",
       .installed = PythonModules("psycopg"),
       .command = PythonWithCtypes("psycopg3_sync.py"),
       .way = Way::kLookedUp,
       .source = "psycopg3_sync.py",
       .function = "open_report",
       .language = "python"},
      {.name = "Psycopg3Asyncio",
       .title = "psycopg 3 (ctypes), asyncio",
       .package = "python3-psycopg",
       .installed = PythonModules("psycopg"),
       .command = PythonWithCtypes("psycopg3_asyncio.py"),
       .way = Way::kLookedUp,
       .source = "psycopg3_asyncio.py",
       .function = "open_report",
       .language = "python"},
  };
}

std::vector<Client> OtherScriptClients() {
  const Way php = WayOfPhp();
  return {
      {.name = "RubyPgConnect",
       .title = "ruby-pg, PG.connect",
       .package = "ruby-pg",
       .installed = kRubyPg,
       .command = Ruby("ruby_pg_connect.rb"),
       .source = "ruby_pg_connect.rb",
       .function = "open_report",
       .language = "ruby"},
      {.name = "RubyPgSyncConnect",
       .title = "ruby-pg, PG::Connection.sync_connect",
       .package = "ruby-pg",
       .installed = kRubyPg,
       .command = Ruby("ruby_pg_sync_connect.rb"),
       .source = "ruby_pg_sync_connect.rb",
       .function = "open_report",
       .language = "ruby"},
      {.name = "PhpPgsql",
       .title = "PHP, pg_connect",
       .package = "php-pgsql",
       .installed = PhpExtension("pgsql"),
       .command = Php("php_pgsql.php"),
       .way = php,
       .source = "php_pgsql.php",
       .function = "open_report",
       .language = "php"},
      {.name = "PhpPdo",
       .title = "PHP, PDO",
       .package = "php-pgsql",
       .installed = PhpExtension("pdo_pgsql"),
       .command = Php("php_pdo.php"),
       .way = php,
       .source = "php_pdo.php",
       .function = "openReport",
       .language = "php",
       .closing_function = "loadUser"},
      {.name = "PhpFpm",
       .title = "php-fpm, two workers, pg_pconnect",
       .package = "php-fpm",
       .installed = Files("/usr/sbin/php-fpm* /usr/bin/cgi-fcgi /usr/lib/php/*/pgsql.so"),
       .command = {"/usr/bin/python3", Source("php_fpm.py"), "@"},
       .way = php,
       .source = "php_fpm_page.php",
       .function = "open_report",
       .language = "php",
       .processes = {kTwoLeaks, kTwoLeaks},
       .sessions = 4},
      {.name = "PerlDbdPg",
       .title = "Perl, DBD::Pg",
       .package = "libdbd-pg-perl",
       .installed = {"/usr/bin/perl", "-MDBD::Pg", "-e", "1"},
       .command = {"/usr/bin/perl", Source("dbd_pg.pl")},
       .source = "dbd_pg.pl",
       .function = "open_report",
       .language = "perl"},
      // The library asks no Lua for its frames, and Lua runs all its functions in one of C's: the
      // connections are right, their place is the module that calls libpq.
      {.name = "LuaSql",
       .title = "Lua, LuaSQL",
       .package = "lua-sql-postgres",
       .installed = {"lua5.4", "-e", "require('luasql.postgres')"},
       .command = {"lua5.4", Source("lua_sql.lua")},
       .module = "luasql/postgres.so|lua5.4-sql-postgres.so"},
  };
}

// The last argument is the number of leaks: a loop over a constant would be unrolled, and each turn
// be a place of its own.
std::vector<Client> NativeClients() {
  return {
      {.name = "Odbc",
       .title = "unixODBC, psqlODBC",
       .package = "odbc-postgresql",
       .installed = {"test", "-x", Built("odbc"), "-a", "-f", OdbcDriver()},
       .command = {Built("odbc"), OdbcDriver(), "2"},
       .source = "odbc.c",
       .function = "open_report"},
      {.name = "Libpqxx",
       .title = "C++, libpqxx",
       .package = "libpqxx-dev",
       .installed = Executable(Built("libpqxx")),
       .command = {Built("libpqxx"), "2"},
       .source = "libpqxx.cc",
       .function = "ReportService::OpenReport",
       .closing_function = "ReportService::LoadUser"},
      {.name = "QtSql",
       .title = "Qt 5, QPSQL",
       .package = "libqt5sql5-psql",
       .installed = Files(Built("qt_sql") + " /usr/lib/*/qt5/plugins/sqldrivers/libqsqlpsql.so"),
       .command = {Built("qt_sql"), "2"},
       .source = "qt_sql.cc",
       .function = "ReportService::OpenReport",
       .closing_function = "ReportService::LoadUser"},
      {.name = "Ecpg",
       .title = "embedded SQL, ecpg",
       .package = "libecpg-dev",
       .installed = Executable(Built("ecpg")),
       .command = {Built("ecpg"), "2"},
       .source = "ecpg.pgc",
       .function = "open_report",
       .host = "PQLEASH_TEST_TCP_HOST"},
      {.name = "ConnectStartParams",
       .title = "C, PQconnectStartParams",
       .package = "libpq-dev",
       .installed = Executable(Built("connect_start_params")),
       .command = {Built("connect_start_params"), "2"},
       .source = "connect_start_params.c",
       .function = "open_report"},
      {.name = "SeveralHosts",
       .title = "C, PQconnectdb, the first of two hosts dead",
       .package = "libpq-dev",
       .installed = Executable(Built("several_hosts")),
       .command = {Built("several_hosts"), "2"},
       .source = "several_hosts.c",
       .function = "open_report"},
  };
}

// The packages of PostgreSQL end with its version, as the directory of its programs does.
std::string PackageOf(const std::string& name, const std::string& program) {
  return name + "-" +
         std::filesystem::path(program).parent_path().parent_path().filename().string();
}

// PostgreSQL's own programs, looked at when they have ended.
std::vector<Client> Tools() {
  const std::string psql = ServerProgram("psql");
  const std::string pgbench = ServerProgram("pgbench");
  const std::string pg_dump = ServerProgram("pg_dump");
  const Counts one = {.opened = 1, .closed = 1};
  return {
      {.name = "Psql",
       .title = "psql, \\connect",
       .package = PackageOf("postgresql-client", psql),
       .installed = Executable(psql),
       .command = {psql, "-XAt", "-c", "SELECT current_user", "-c",
                   std::string("\\connect \"") + kConninfo + "\"", "-c", "SELECT current_user",
                   kConninfo},
       .processes = {{.opened = 2, .closed = 2}},
       .waits = false},
      // One for each client, and one before them.
      {.name = "Pgbench",
       .title = "pgbench, two threads",
       .package = PackageOf("postgresql", pgbench),
       .installed = Executable(pgbench),
       .command = {pgbench, "-n", "-j2", "-c4", "-t5", "-f", Source("select.sql"), kConninfo},
       .processes = {{.opened = 5, .closed = 5}},
       .waits = false,
       .same_numbers = false},
      // The leader and each of its forked workers.
      {.name = "PgDump",
       .title = "pg_dump, two workers",
       .package = PackageOf("postgresql-client", pg_dump),
       .installed = Executable(pg_dump),
       .command = {pg_dump, "-Fd", "-j2", "-f", "@/dump", "-d", kConninfo},
       .processes = {one, one, one},
       .waits = false,
       .schema = "CREATE TABLE north AS SELECT 1 AS id; CREATE TABLE south AS SELECT 2 AS id"},
  };
}

std::vector<Client> ForkingClients() {
  return {
      // Two requests to one worker, one to the other.
      {.name = "Gunicorn",
       .title = "gunicorn, two workers, psycopg2",
       .package = "gunicorn",
       .installed = PythonModules("gunicorn, psycopg2"),
       .command = Python("gunicorn_service.py"),
       .source = "gunicorn_app.py",
       .function = "open_report",
       .language = "python",
       .processes = {kOneLeak, {.open = 2, .opened = 4, .closed = 2}},
       .sessions = 3},
      {.name = "Multiprocessing",
       .title = "multiprocessing, two workers, psycopg2",
       .package = "python3-psycopg2",
       .installed = PythonModules("psycopg2"),
       .command = Python("multiprocessing_workers.py"),
       .source = "multiprocessing_workers.py",
       .function = "open_report",
       .language = "python",
       .processes = {kOneLeak, kOneLeak}},
      {.name = "ForkUse",
       .title = "psycopg2, used in a forked child",
       .package = "python3-psycopg2",
       .installed = PythonModules("psycopg2"),
       .command = Python("fork_use.py"),
       .source = "fork_use.py",
       .function = "open_report",
       .language = "python",
       .finding = "fork-shared"},
      // A child that finishes a connection ends its parent's session; the parent holds on to it.
      {.name = "ForkClose",
       .title = "psycopg2, closed in a forked child",
       .package = "python3-psycopg2",
       .installed = PythonModules("psycopg2"),
       .command = Python("fork_close.py"),
       .source = "fork_close.py",
       .function = "open_report",
       .language = "python",
       .sessions = 1,
       .finding = "fork-shared"},
      {.name = "ForkExit",
       .title = "ruby-pg, plain exit of a forked child",
       .package = "ruby-pg",
       .installed = kRubyPg,
       .command = Ruby("fork_exit.rb"),
       .source = "fork_exit.rb",
       .function = "open_report",
       .language = "ruby",
       .sessions = 0,
       .finding = "fork-shared"},
  };
}

}  // namespace

std::string NameOf(Way way) {
  switch (way) {
    case Way::kBound:
      return "bound";
    case Way::kLookedUp:
      return "looked up";
    case Way::kDeepBind:
      return "deep bind";
  }
  return {};
}

std::ostream& operator<<(std::ostream& stream, const Counts& counts) {
  return stream << counts.open << " open, " << counts.opened << " opened, " << counts.closed
                << " closed";
}

std::ostream& operator<<(std::ostream& stream, const Client& client) {
  return stream << client.title;
}

std::vector<Client> Clients() {
  std::vector<Client> clients;
  for (const auto& group :
       {PythonClients(), OtherScriptClients(), NativeClients(), Tools(), ForkingClients()}) {
    clients.insert(clients.end(), group.begin(), group.end());
  }
  return clients;
}

}  // namespace pqleash::testing
