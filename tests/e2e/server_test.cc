// SPDX-License-Identifier: Apache-2.0
//
// The server's side of the tool, on a real server: `report --dsn`, `whois`, `check --dsn`. To be
// run by scripts/with-postgres, one test a server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/e2e/observed.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class Server : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
  }

  std::unique_ptr<Subprocess> Orders(
      const Words& arguments,
      const std::map<std::string, std::optional<std::string>>& environment = {}) const {
    Words words = {PQLEASH_TEST_ORDERS};
    words.insert(words.end(), arguments.begin(), arguments.end());
    Command command = observed_.Preloaded(words);
    command.hold_input = true;
    command.environment.insert(environment.begin(), environment.end());
    auto orders = std::make_unique<Subprocess>(command);
    EXPECT_TRUE(orders->WaitForOutput("ready"));
    return orders;
  }

  // A psql that lives until its input is closed, as `name` and preloaded or not.
  std::unique_ptr<Subprocess> Session(const std::string& name, bool preloaded) const {
    const Words words = {ServerProgram("psql"), "-XAtq", "application_name=" + name};
    Command command = preloaded ? observed_.Preloaded(words) : Command{.arguments = words};
    command.hold_input = true;
    return std::make_unique<Subprocess>(command);
  }

  static bool Says(Subprocess* session, const std::string& statements) {
    return session->Write(statements + ";\n\\echo done\n") && session->WaitForOutput("done");
  }

  Json Report(const Words& words) const { return observed_.Report(words); }

  static std::string BackendOf(const std::string& name) {
    return Psql("SELECT pid FROM pg_stat_activity WHERE application_name = '" + name + "'");
  }

  static Json BackendIn(const Json& report, const std::string& pid) {
    for (const Json& backend : report["server"]["backends"]) {
      if (backend["pid"].dump() == pid) return backend;
    }
    return nullptr;
  }

  std::string WriteCaps(const std::string& text) const {
    const std::string path = observed_.file("pqleash.toml");
    std::ofstream(path) << text;
    return path;
  }

  Observed observed_;
};

TEST_F(Server, ReportJoinsBackendsWithTheLinesThatOpenedThem) {
  Psql("CREATE TABLE stock AS SELECT 1 AS amount");
  const auto orders = Orders({"2", "0", "in-transaction"});
  const auto blocker = Session("blocker", /*preloaded=*/true);
  ASSERT_TRUE(Says(blocker.get(), "BEGIN; UPDATE stock SET amount = 2"));
  const auto waiter = Session("waiter", /*preloaded=*/false);
  ASSERT_TRUE(waiter->Write("UPDATE stock SET amount = 3;\n"));
  ASSERT_TRUE(WaitUntil([] {
    return Psql("SELECT wait_event_type FROM pg_stat_activity WHERE application_name = 'waiter'") ==
           "Lock";
  }));

  const Json report = Report({"--dsn", "", "--min-age", "0s", "--min-idle", "0s"});
  const Json slots = report["server"]["slots"];
  EXPECT_EQ(slots, Json::parse(R"({"max": 12, "superuser_reserved": 3, "reserved": 0, "used": 6,
      "free": 3, "ours": 4, "others": 1, "unknown": 0, "own": 1})"));
  const Json backends = report["server"]["backends"];
  ASSERT_EQ(backends.size(), 5u) << backends.dump(1);

  const std::string blocking = BackendOf("blocker");
  const std::string waiting = BackendOf("waiter");
  EXPECT_EQ(backends[0]["pid"].dump(), blocking) << "who blocks others comes first";
  EXPECT_EQ(backends[0]["whose"], "ours");
  EXPECT_EQ(backends[0]["process_pid"], blocker->pid());
  EXPECT_EQ(backends[0]["state"], "idle in transaction");
  EXPECT_TRUE(backends[0]["idle_in_transaction_s"].is_number());
  EXPECT_EQ(backends[0]["blocks"].dump(), "[" + waiting + "]");
  const Json blocked = BackendIn(report, waiting);
  EXPECT_EQ(blocked["whose"], "others");
  EXPECT_EQ(blocked["blocked_by"].dump(), "[" + blocking + "]");
  EXPECT_EQ(blocked["wait_event_type"], "Lock");
  EXPECT_EQ(blocked["call_site"], nullptr);

  const Json leak = CallSiteIn(report, "WriteAuditRecord");
  for (const Json& connection : leak["connections"]) {
    const Json backend = BackendIn(report, connection["backend_pid"].dump());
    EXPECT_EQ(backend["call_site"], leak["id"]) << backends.dump(1);
    EXPECT_EQ(backend["service"], "orders");
    EXPECT_THAT(backend["opened_by"].get<std::string>(), HasSubstr("WriteAuditRecord"));
  }
  // The transaction that somebody waits for says so; that of ReserveStock blocks nobody.
  size_t blocks = 0;
  for (const Json& finding : report["findings"]) {
    for (const Json& evidence : finding["evidence"]) {
      if (evidence["name"] != "blocks") continue;
      EXPECT_EQ(finding["kind"], "idle-in-transaction");
      EXPECT_EQ(finding["call_site"], backends[0]["call_site"]);
      EXPECT_EQ(evidence["number"], 1);
      ++blocks;
    }
  }
  EXPECT_EQ(blocks, 1u) << report["findings"].dump(1);

  const Outcome text = observed_.Tool({"report", "--dsn", "", "--top", "2"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("Server\n"));
  EXPECT_THAT(text.out, HasSubstr("in use 6, free 3"));
  EXPECT_THAT(text.out, HasSubstr("idle in transaction"));
  EXPECT_THAT(text.out, HasSubstr("and 3 more, left out as asked"));
  EXPECT_EQ(Report({})["server"], nullptr);
}

TEST_F(Server, WhatARoleMayNotSeeIsSaid) {
  Psql("CREATE ROLE viewer LOGIN");
  const auto orders = Orders({"1", "0"});
  const auto other = Session("other", /*preloaded=*/false);
  ASSERT_TRUE(Says(other.get(), "SELECT 1"));
  const Json hidden = Report({"--dsn", "user=viewer"})["server"];
  EXPECT_EQ(hidden["hidden"], 2);
  EXPECT_EQ(hidden["slots"]["ours"], 1);
  EXPECT_EQ(hidden["slots"]["others"], 1);
  EXPECT_EQ(hidden["backends"][0]["state"], nullptr);
  EXPECT_THAT(hidden["notes"],
              Contains("the state of 2 backends is hidden from the role 'viewer': GRANT "
                       "pg_read_all_stats TO the role 'viewer', or connect as one that has it"));
  Psql("GRANT pg_read_all_stats TO viewer");
  const Json seen = Report({"--dsn", "user=viewer"})["server"];
  EXPECT_EQ(seen["hidden"], 0);
  EXPECT_EQ(seen["slots"]["ours"], 1);
  EXPECT_EQ(seen["backends"][0]["state"], "idle");
  EXPECT_EQ(seen["notes"], Json::array());
}

TEST_F(Server, WhatTheServerRefusesToListIsNamedAndTheRestIsShown) {
  Psql("CREATE ROLE viewer LOGIN");
  Psql("REVOKE SELECT ON pg_stat_activity FROM PUBLIC");
  const auto orders = Orders({"1", "0"});
  const std::string sentence =
      "the server does not list its backends: permission denied for view pg_stat_activity";
  const Outcome report = observed_.Tool({"report", "--dsn", "user=viewer"});
  EXPECT_EQ(report.exit_code, 1);
  EXPECT_THAT(report.err, HasSubstr(sentence));
  EXPECT_THAT(report.out, HasSubstr("max_connections 12, reserved for superusers 3, in use: not"));
  EXPECT_THAT(report.out, HasSubstr("WriteAuditRecord"));
  const Outcome check = observed_.Tool({"check", WriteCaps(""), "--dsn", "user=viewer"});
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_THAT(check.err, HasSubstr(sentence));
  EXPECT_THAT(check.out, HasSubstr("available: 9 (max_connections 12 − 3 reserved"));
}

TEST_F(Server, NothingIsChangedAndNoQueryIsRead) {
  const auto other = Session("other", /*preloaded=*/false);
  ASSERT_TRUE(Says(other.get(), "SELECT 's3cr3t query'"));
  Psql("ALTER SYSTEM SET log_statement = 'all'");
  Psql("SELECT pg_reload_conf()");
  ASSERT_TRUE(WaitUntil([] { return Psql("SHOW log_statement") == "all"; }));
  const Outcome outcome = observed_.Tool({"report", "--dsn", "", "--format", "json"});
  EXPECT_THAT(outcome.out, Not(HasSubstr("s3cr3t")));
  std::ifstream log(getenv("PQLEASH_TEST_SERVER_LOG"));
  std::string text((std::istreambuf_iterator<char>(log)), {});
  EXPECT_THAT(text, HasSubstr("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  EXPECT_THAT(text, HasSubstr("pg_stat_activity"));
  EXPECT_THAT(text, Not(HasSubstr(" query,")));
}

// A server that takes connections and says nothing.
class SilentServer {
 public:
  SilentServer() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* any = reinterpret_cast<struct sockaddr*>(&address);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(socket_, any, size), 0);
    EXPECT_EQ(listen(socket_, 64), 0);
    EXPECT_EQ(getsockname(socket_, any, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { close(socket_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  std::string port() const { return std::to_string(port_); }

 private:
  int socket_;
  int port_ = 0;
};

TEST_F(Server, ADsnThatFailsIsNamedAndTheRestIsReported) {
  Psql("CREATE ROLE guarded LOGIN PASSWORD 'right'");
  Psql("COPY (VALUES ('local all all trust'), ('host all guarded all scram-sha-256')) TO '" +
       Psql("SHOW hba_file") + "'");
  Psql("SELECT pg_reload_conf()");
  const auto orders = Orders({"1", "0"});
  const SilentServer silent;
  const std::string tcp = std::string("host=") + getenv("PQLEASH_TEST_TCP_HOST") + " user=guarded ";
  struct Case {
    std::string dsn;
    const char* sentence;
  };
  const Case cases[] = {
      {"host=/nowhere", "No such file or directory"},
      {"user=nobody_here", "role \"nobody_here\" does not exist"},
      {"dbname=no_such", "database \"no_such\" does not exist"},
      {"no_such", "database \"no_such\" does not exist"},
      {"passwort=wr0ng-w0rd", "has an option that libpq does not know, most like 'password'"},
      {"password=a wr0ng-w0rd", "the connection string cannot be understood"},
      {"port=none", "invalid integer value \"none\" for connection option \"port\""},
      {"host=127.0.0.1 port=" + silent.port() + " connect_timeout=1",
       "no connection to host '127.0.0.1'"},
      {tcp + "password=wr0ng-w0rd", "password authentication failed for user \"guarded\""},
      {tcp, "no password supplied; nobody is asked for a password"},
  };
  const std::string waits_for_longer =
      "host=127.0.0.1 port=" + silent.port() + " connect_timeout=8";
  for (const Case& test : cases) {
    // Begins before, and waits for longer: the one looked at waits no longer than it was told.
    const Subprocess longer(
        observed_.ToolCommand({"report", "--no-scan", "--dsn", waits_for_longer}));
    const Outcome report = observed_.Tool({"report", "--dsn", test.dsn});
    EXPECT_FALSE(longer.HasEnded()) << test.dsn;
    EXPECT_EQ(report.exit_code, 1) << test.dsn;
    EXPECT_THAT(report.err, HasSubstr(test.sentence)) << test.dsn;
    EXPECT_THAT(report.err, HasSubstr("the server of --dsn could not be asked: ")) << test.dsn;
    EXPECT_THAT(report.out, HasSubstr("WriteAuditRecord")) << test.dsn;
    EXPECT_THAT(report.err + report.out, Not(HasSubstr("wr0ng-w0rd"))) << test.dsn;
    const Outcome check = observed_.Tool({"check", WriteCaps(""), "--dsn", test.dsn});
    EXPECT_EQ(check.exit_code, 1) << test.dsn;
    EXPECT_THAT(check.out, HasSubstr("no problem")) << test.dsn;
    EXPECT_THAT(check.err, HasSubstr(test.sentence)) << test.dsn;
  }
  EXPECT_EQ(observed_.Tool({"report", "--dsn", tcp + "password=right"}).exit_code, 0);
}

TEST_F(Server, AFullServerIsNamed) {
  Psql("CREATE ROLE app LOGIN");
  const auto orders = Orders({"9", "0"}, {{"PGUSER", "app"}});
  const Outcome full = observed_.Tool({"report", "--dsn", "user=app"});
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_THAT(full.err, HasSubstr("the server is full: a superuser may use its last"));
  const Json slots = Report({"--dsn", ""})["server"]["slots"];
  EXPECT_EQ(slots["ours"], 9);
  EXPECT_EQ(slots["free"], 0);
}

TEST_F(Server, WhoisNamesTheLineThatOpenedABackend) {
  auto orders = Orders({"1", "0", "in-transaction"});
  const std::string backend =
      Psql("SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'");
  const Outcome alone = observed_.Tool({"whois", backend});
  EXPECT_EQ(alone.exit_code, 0) << alone.err;
  EXPECT_THAT(alone.out, HasSubstr("Backend " + backend + "\n"));
  EXPECT_THAT(alone.out, HasSubstr(std::to_string(orders->pid()) + " (live), orders, "));
  EXPECT_THAT(alone.out, HasSubstr("idle in transaction"));
  EXPECT_THAT(alone.out, HasSubstr("ReserveStock()"));
  EXPECT_THAT(alone.out, Not(HasSubstr("WriteAuditRecord")));
  EXPECT_THAT(alone.out, Not(HasSubstr("Server")));

  const Outcome asked = observed_.Tool({"whois", backend, "--dsn", ""});
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  EXPECT_THAT(asked.out, HasSubstr("this is the server's backend"));
  EXPECT_THAT(asked.out, HasSubstr("in its transaction for"));

  const Outcome json = observed_.Tool({"whois", backend, "--dsn", "", "--format", "json"});
  const Json document = Json::parse(json.out);
  EXPECT_EQ(document["schema"], "pqleash.whois/1");
  ASSERT_EQ(document["matches"].size(), 1u);
  const Json& match = document["matches"][0];
  EXPECT_EQ(match["process"]["pid"], orders->pid());
  EXPECT_EQ(match["connection"]["backend_pid"].dump(), backend);
  EXPECT_FALSE(FrameIn(match, "ReserveStock").is_null()) << match;
  EXPECT_EQ(match["is_servers_backend"], "yes");
  EXPECT_EQ(document["server"]["backend"]["state"], "idle in transaction");

  // The server ends the session; the program does not know yet.
  Psql("SELECT pg_terminate_backend(" + backend + ", 10000)");
  const Outcome gone = observed_.Tool({"whois", backend, "--dsn", ""});
  EXPECT_EQ(gone.exit_code, 0) << gone.err;
  EXPECT_THAT(gone.out, HasSubstr("no backend " + backend + " there"));
  EXPECT_THAT(Report({"--dsn", ""})["server"]["notes"],
              Contains("1 connection of the observed processes to this address has no backend "
                       "here: the server has ended the session"));

  orders->Signal(SIGKILL);
  orders->Wait();
  EXPECT_EQ(observed_.Tool({"whois", backend}).exit_code, 1);
  const Outcome dead = observed_.Tool({"whois", backend, "--all"});
  EXPECT_EQ(dead.exit_code, 0) << dead.err;
  EXPECT_THAT(dead.out, HasSubstr(" (killed), orders, "));
}

TEST_F(Server, WhoisOfABackendThatNobodyKnows) {
  const auto orders = Orders({"2", "0"});
  const auto other = Session("other", /*preloaded=*/false);
  ASSERT_TRUE(Says(other.get(), "SELECT 1"));
  const std::string backend = BackendOf("other");
  const Outcome alone = observed_.Tool({"whois", backend});
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_EQ(alone.out, "");
  EXPECT_THAT(alone.err, HasSubstr("pqleash: no connection with backend " + backend +
                                   " in 1 ledger with 2 connections: its program may not be "
                                   "observed, may run on another host, or may connect through a "
                                   "pooler"));
  const Outcome asked = observed_.Tool({"whois", backend, "--dsn", ""});
  EXPECT_EQ(asked.exit_code, 1);
  EXPECT_THAT(asked.out, HasSubstr("application_name 'other', client unix socket"));
}

TEST_F(Server, CheckHoldsCapsAgainstServerRoleAndDatabase) {
  Psql("CREATE ROLE app LOGIN");
  Psql("CREATE DATABASE orders");
  const std::string caps = WriteCaps(
      "[[cap]]\nname = \"db\"\ndbname = \"orders\"\nscope = \"process\"\nlimit = 2\n"
      "on_limit = \"wait\"\n");
  const auto check = [&](const Words& more) {
    Words words = {"check", caps, "--dsn", "dbname=orders user=app"};
    words.insert(words.end(), more.begin(), more.end());
    return observed_.Tool(words);
  };
  const Outcome fits = check({"--instances", "2", "--workers", "2"});
  EXPECT_EQ(fits.exit_code, 0) << fits.out << fits.err;
  EXPECT_THAT(fits.out, HasSubstr("available: 9 (max_connections 12 − 3 reserved for superusers − "
                                  "0 in use by other roles)"));
  const auto other = Session("other", /*preloaded=*/false);
  ASSERT_TRUE(Says(other.get(), "SELECT 1"));
  const Json large = Json::parse(check({"--workers", "5", "--format", "json"}).out)["server"];
  EXPECT_EQ(large["in_use_by_other_roles"], 1);
  EXPECT_EQ(large["available"], 8);
  EXPECT_EQ(large["problems"],
            Json::parse(R"(["cap \"db\": 2 connections × 1 instance × 5 workers = 10, but )"
                        R"(app@orders may have 8: max_connections 12 − 3 reserved for superusers )"
                        R"(− 1 in use by other roles; a limit of 1 or less fits, or )"
                        R"(max_connections of 14 or more"])"));
  EXPECT_EQ(check({"--workers", "5"}).exit_code, 3);
  Psql("ALTER ROLE app CONNECTION LIMIT 5");
  const Outcome role = check({"--workers", "3"});
  EXPECT_EQ(role.exit_code, 3);
  EXPECT_THAT(role.out, HasSubstr("available: 5 (CONNECTION LIMIT 5 of role app)"));
  Psql("ALTER DATABASE orders CONNECTION LIMIT 3");
  EXPECT_THAT(check({}).out, HasSubstr("available: 3 (CONNECTION LIMIT 3 of database orders − 0 in "
                                       "use by other roles there)"));
  const Outcome superuser = observed_.Tool({"check", caps, "--dsn", "dbname=orders"});
  EXPECT_THAT(superuser.out, HasSubstr("is a superuser"));
}

TEST_F(Server, CheckHoldsCapsAgainstWhatIsUsed) {
  const auto first = Session("first", /*preloaded=*/true);
  const auto second = Session("second", /*preloaded=*/true);
  const auto idle = Session("idle", /*preloaded=*/true);
  ASSERT_TRUE(Says(first.get(), "BEGIN; SELECT 1"));
  ASSERT_TRUE(Says(second.get(), "BEGIN; SELECT 1"));
  ASSERT_TRUE(Says(idle.get(), "SELECT 1"));
  const auto check = [&](const std::string& limit) {
    return observed_.Tool({"check",
                           WriteCaps("[[cap]]\nname = \"all\"\nscope = \"service\"\nlimit = " +
                                     limit + "\non_limit = \"wait\"\n"),
                           "--dsn", ""});
  };
  EXPECT_EQ(check("2").exit_code, 0) << check("2").out;
  const Outcome small = check("1");
  EXPECT_EQ(small.exit_code, 3) << small.out;
  EXPECT_THAT(small.out,
              HasSubstr("a limit of 1 for all processes together is below what psql (3"));
}

// --- Through PgBouncer ---------------------------------------------------------------------------

class ThroughPgBouncer : public Server {
 protected:
  void SetUp() override {
    Server::SetUp();
    if (RunToEnd({.arguments = {"sh", "-c", "command -v pgbouncer"}}).exit_code != 0) {
      GTEST_SKIP() << "pgbouncer is not installed";
    }
    // Its account must reach the directory, and the path of a socket is short.
    directory_ = "/tmp/pqleash-pgbouncer." + std::to_string(getpid());
    std::filesystem::create_directory(directory_);
    std::ofstream(directory_ + "/pgbouncer.ini")
        << "[databases]\npostgres = host=" << getenv("PGHOST") << " port=" << getenv("PGPORT")
        << " user=postgres pool_size=2\n[pgbouncer]\nlisten_port = 6432\nlisten_addr =\n"
        << "unix_socket_dir = " << directory_
        << "\nauth_type = any\nadmin_users = postgres\npool_mode = transaction\nlogfile =\n";
    Words words = {"pgbouncer", "-q", directory_ + "/pgbouncer.ini"};
    if (geteuid() == 0) {  // it refuses to run as root
      const struct passwd* account = getpwnam("postgres");
      if (account == nullptr) account = getpwnam("nobody");
      ASSERT_NE(account, nullptr);
      ASSERT_EQ(chown(directory_.c_str(), account->pw_uid, account->pw_gid), 0);
      const Words as = {"setpriv", "--reuid=" + std::to_string(account->pw_uid),
                        "--regid=" + std::to_string(account->pw_gid), "--clear-groups"};
      words.insert(words.begin(), as.begin(), as.end());
    }
    pooler_ = std::make_unique<Subprocess>(Command{.arguments = words, .directory = "/"});
    ASSERT_TRUE(WaitUntil([&] { return std::filesystem::exists(directory_ + "/.s.PGSQL.6432"); }));
  }

  void TearDown() override {
    pooler_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  std::string Pooled() const { return "host=" + directory_ + " port=6432"; }

  std::string directory_;
  std::unique_ptr<Subprocess> pooler_;
};

TEST_F(ThroughPgBouncer, WhatIsBehindAPoolerIsNotGuessed) {
  const auto orders = Orders({"3", "0"}, {{"PGHOST", directory_}, {"PGPORT", "6432"}});
  const Json direct = Report({"--dsn", ""})["server"];
  EXPECT_EQ(direct["slots"]["ours"], 0);
  EXPECT_GE(direct["slots"]["unknown"], 1) << direct.dump(1);
  EXPECT_EQ(direct["slots"]["others"], 0);
  ASSERT_EQ(direct["unlisted"].size(), 1u) << direct.dump(1);
  EXPECT_EQ(direct["unlisted"][0]["connections"], 3);
  EXPECT_EQ(direct["unlisted"][0]["same_address"], false);

  const Json pooled = Report({"--dsn", Pooled()})["server"];
  EXPECT_EQ(pooled["through_pooler"], true) << pooled.dump(1);
  EXPECT_EQ(pooled["slots"]["max"], 12);
  EXPECT_EQ(pooled["unlisted"][0]["same_address"], true);
  EXPECT_THAT(pooled["notes"], Contains(HasSubstr("leads through a pooler")));

  const Json leak = CallSiteIn(Report({}), "WriteAuditRecord");
  const std::string made_up = leak["connections"][0]["backend_pid"].dump();
  const Outcome whois = observed_.Tool({"whois", made_up, "--dsn", ""});
  EXPECT_EQ(whois.exit_code, 0) << whois.err;
  EXPECT_THAT(whois.out, HasSubstr("WriteAuditRecord"));
  EXPECT_THAT(whois.out, Not(HasSubstr("this is the server's backend")));

  const Outcome console = observed_.Tool({"report", "--dsn", Pooled() + " dbname=pgbouncer"});
  EXPECT_EQ(console.exit_code, 1);
  EXPECT_THAT(console.err, HasSubstr("PgBouncer's own console"));
}

}  // namespace
}  // namespace pqleash::testing
