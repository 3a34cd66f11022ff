// SPDX-License-Identifier: Apache-2.0
//
// What `pqleash serve` says about processes that come and go, and to whom.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/serve/served.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using reporter::LedgerBuilder;
using ::testing::HasSubstr;
using ::testing::Not;

// A service with a pool of idle connections.
LedgerBuilder Pool(pid_t pid, const std::string& service, int connections) {
  LedgerBuilder builder = LedgerOf(pid, service);
  const uint32_t target = builder.AddTarget("db-1", 5432, "app", "shop", "app");
  const uint32_t site = builder.AddCallSite(0xabcdef, {});
  for (int i = 0; i < connections; ++i) builder.AddConnection(site, target, 1, 2, 1);
  return builder;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ServeTest, MetricsReportHealthAndPage) {
  Served served;
  const Sleeper process;
  Write(Pool(process.pid(), "orders", 3), served.ledgers());
  ASSERT_TRUE(served.Start());
  EXPECT_TRUE(served.Becomes(
      "db_client_connection_count{service=\"orders\",database=\"shop\",state=\"idle\"}", 3));
  const httplib::Response metrics = served.Get("/metrics");
  EXPECT_EQ(metrics.get_header_value("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  const httplib::Response report = served.Get("/api/report");
  EXPECT_EQ(report.get_header_value("Content-Type"), "application/json");
  const auto json = nlohmann::json::parse(report.body);
  EXPECT_EQ(json["schema"], "pqleash.report/1");
  EXPECT_EQ(json["processes"][0]["service"], "orders");
  EXPECT_EQ(json["call_sites"][0]["open"], 3);
  EXPECT_EQ(served.Get("/healthz").body, "ok\n");
  const httplib::Response page = served.Get("/");
  EXPECT_THAT(page.body, HasSubstr("<!doctype html>"));
  EXPECT_EQ(page.get_header_value("Content-Type"), "text/html; charset=utf-8");
  for (const httplib::Response& response : {metrics, report, page, served.Get("/nothing")}) {
    EXPECT_THAT(response.get_header_value("Content-Security-Policy"),
                HasSubstr("default-src 'self'"));
    EXPECT_EQ(response.get_header_value("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(response.get_header_value("Cache-Control"), "no-store");
  }
  EXPECT_EQ(served.Get("/nothing").status, 404);
  EXPECT_EQ(served.Get("/metrics/").status, 404);
  EXPECT_EQ(served.Get("/../etc/passwd").status, 404);
}

TEST(ServeTest, EndsCleanly) {
  Served served;
  ASSERT_TRUE(served.Start());
  const int idle = served.Connect();
  served.Signal(SIGTERM);
  const Outcome& outcome = served.Wait();
  close(idle);
  EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome);
  EXPECT_EQ(outcome.err, "");
}

TEST(ServeTest, CountersGoOnWhenProcessesAndLedgersAreGone) {
  Served served;
  std::optional<Sleeper> process(std::in_place);
  const std::string path = Write(Pool(process->pid(), "orders", 3), served.ledgers());
  ASSERT_TRUE(served.Start());
  const std::string opened = "pqleash_connections_opened_total{service=\"orders\"}";
  ASSERT_TRUE(served.Becomes(opened, 3));
  process.reset();
  ASSERT_TRUE(served.Becomes("pqleash_ended_processes_remembered", 1));
  EXPECT_TRUE(served.Becomes(opened, 3)) << "counted once";
  std::filesystem::remove(path);
  ASSERT_TRUE(served.Becomes("pqleash_ended_processes_remembered", 0));
  EXPECT_TRUE(served.Becomes(opened, 3));
  EXPECT_FALSE(served.Metrics().contains("pqleash_processes{service=\"orders\"}"));
  // One that is removed while it lives, or before anybody has seen that it ended.
  const Sleeper other;
  const std::string removed = Write(Pool(other.pid(), "orders", 2), served.ledgers());
  ASSERT_TRUE(served.Becomes(opened, 5));
  std::filesystem::remove(removed);
  ASSERT_TRUE(WaitUntil(
      [&] { return !served.Metrics().contains("pqleash_processes{service=\"orders\"}"); }));
  EXPECT_TRUE(served.Becomes(opened, 5));
}

TEST(ServeTest, ThousandsOfShortLivedProcessesDoNotGrowIt) {
  Served served;
  ASSERT_TRUE(served.Start());
  const std::string opened = "pqleash_connections_opened_total{service=\"cron\"}";
  const auto resident = [&] {
    const std::string status = ReadAll("/proc/" + std::to_string(served.pid()) + "/status");
    return std::stoul(status.substr(status.find("VmRSS:") + 6));  // KiB
  };
  constexpr int kBatches = 8;
  constexpr int kBatch = 500;
  size_t series = 0;
  [[maybe_unused]] size_t memory = 0;
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<std::string> paths;
    for (int i = 0; i < kBatch; ++i) {
      LedgerBuilder builder = LedgerOfDead(static_cast<uint64_t>(batch * kBatch + i), "cron");
      builder.header.opened = builder.header.closed = 1;
      paths.push_back(Write(builder, served.ledgers()));
    }
    ASSERT_TRUE(served.Becomes(opened, kBatch * (batch + 1)));
    for (const std::string& path : paths) std::filesystem::remove(path);
    if (batch == 1) {
      series = served.Metrics().size();
      memory = resident();
    }
  }
  ASSERT_TRUE(served.Becomes("pqleash_ended_processes_remembered", 0));
  EXPECT_EQ(served.Metrics().size(), series);
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed for a while
  EXPECT_LT(resident(), memory + 4'096) << "KiB";
#endif
}

TEST(ServeTest, RefusesToBeReachedByOthersWithoutTlsAndCredentials) {
  const TemporaryDirectory directory;
  const std::string auth = directory / "auth";
  std::ofstream(auth) << "bearer x\n";
  chmod(auth.c_str(), 0600);
  const Words cases[] = {{}, {"--auth-file", auth}};
  for (const Words& options : cases) {
    for (const char* address : {"0.0.0.0:0", "[::]:0"}) {
      Words words = {PQLEASH_TEST_TOOL, "serve", "--listen", address};
      words.insert(words.end(), options.begin(), options.end());
      const Outcome outcome = RunToEnd({.arguments = words});
      EXPECT_EQ(outcome.exit_code, 2) << address << HowItEnded(outcome);
      EXPECT_THAT(outcome.err, HasSubstr("give --tls-cert, --tls-key and --auth-file"));
    }
  }
}

TEST(ServeTest, WrongUsageIsNamed) {
  const TemporaryDirectory directory;
  const std::string config = directory / "serve.toml";
  std::ofstream(config) << "interval = \"5s\"\nlissen = \"x\"\n";
  const std::string open_file = directory / "auth";
  std::ofstream(open_file) << "bearer x\n";
  chmod(open_file.c_str(), 0644);
  const struct {
    Words options;
    int exit_code;
    const char* sentence;
  } cases[] = {
      {{"--listen", "9878"}, 2, "has no port, expected ADDRESS:PORT"},
      {{"--interval", "900ms"}, 2, "--interval is less than 1s"},
      {{"--scan-interval", "never"}, 2, "'never' is neither off nor a duration"},
      {{"--top", "-1"}, 2, "--top"},
      {{"--tls-cert", "x"}, 2, "--tls-cert and --tls-key are needed both"},
      {{"--tls-cert", "/none", "--tls-key", "/none"}, 1, "the certificate /none cannot be used"},
      {{"--auth-file", open_file}, 1, "is open to others (mode 0644)"},
      {{"--config", config}, 2, "line 2: there is no 'lissen', expected one of listen"},
  };
  for (const auto& c : cases) {
    Words words = {PQLEASH_TEST_TOOL, "serve"};
    words.insert(words.end(), c.options.begin(), c.options.end());
    const Outcome outcome = RunToEnd({.arguments = words});
    EXPECT_EQ(outcome.exit_code, c.exit_code) << c.options[0] << HowItEnded(outcome);
    EXPECT_THAT(outcome.err, HasSubstr(c.sentence));
  }
}

TEST(ServeTest, APortThatIsTakenIsNamed) {
  Served served;
  ASSERT_TRUE(served.Start());
  const std::string address = "127.0.0.1:" + std::to_string(served.port());
  const Outcome outcome = RunToEnd(
      {.arguments = {PQLEASH_TEST_TOOL, "serve", "--listen", address, "--dir", served.ledgers()}});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("Address already in use"));
}

TEST(ServeTest, OptionsFromAFile) {
  const TemporaryDirectory directory;
  const std::string config = directory / "serve.toml";
  std::ofstream(config) << "top = 0\ninterval = \"3s\"\n";
  Served served({"--config", config});
  const Sleeper process;
  Write(Pool(process.pid(), "orders", 3), served.ledgers());
  ASSERT_TRUE(served.Start());
  EXPECT_TRUE(
      served.Becomes("pqleash_call_site_connections{call_site=\"other\",state=\"idle\"}", 3));
}

TEST(ServeTest, CredentialsAndTls) {
  const TemporaryDirectory directory;
  const std::string auth = directory / "auth";
  std::ofstream(auth) << "basic prometheus:secret\nbearer token\n";
  chmod(auth.c_str(), 0600);
  const std::string key = directory / "key.pem";
  const std::string cert = directory / "cert.pem";
  ASSERT_EQ(
      RunToEnd({.arguments = {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                              "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert}})
          .exit_code,
      0);
  Served served({"--auth-file", auth, "--tls-cert", cert, "--tls-key", key}, "0.0.0.0:0");
  ASSERT_TRUE(served.Start());
  ASSERT_THAT(served.url(), HasSubstr("https://0.0.0.0:"));
  for (const char* path : {"/metrics", "/api/report", "/"}) {
    const httplib::Response response = served.Get(path);
    EXPECT_EQ(response.status, 401) << path;
    EXPECT_THAT(response.get_header_value("WWW-Authenticate"), HasSubstr("Basic"));
    EXPECT_THAT(response.body, Not(HasSubstr("pqleash_")));
    EXPECT_EQ(served.Get(path, {{"Authorization", "Bearer token"}}).status, 200) << path;
    EXPECT_EQ(served.Get(path, {{"Authorization", "Basic cHJvbWV0aGV1czpzZWNyZXQ="}}).status, 200);
    EXPECT_EQ(served.Get(path, {{"Authorization", "Bearer tokem"}}).status, 401) << path;
  }
  EXPECT_EQ(served.Get("/healthz").status, 200);
  EXPECT_THAT(served.Exchange("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), Not(HasSubstr("200")))
      << "not in the clear";
}

TEST(ServeTest, AStrangersPageCannotReadIt) {
  Served served;
  ASSERT_TRUE(served.Start());
  const auto status = [&](const std::string& host) {
    return served.Get("/api/report", {{"Host", host}}).status;
  };
  EXPECT_EQ(status("rebound.example:" + std::to_string(served.port())), 403);
  EXPECT_EQ(status("localhost:1"), 200);
  EXPECT_EQ(status("127.0.0.1"), 200);
}

TEST(ServeTest, HostileTextsReachNeitherLinesNorMarkup) {
  Served served;
  const Sleeper process;
  const std::string hostile = "<script>alert(1)</script>\"\n} 1\x1b[2J\xff";
  LedgerBuilder builder = LedgerOf(process.pid(), hostile);
  builder.header.exe = builder.AddString("/opt/" + hostile);
  const uint32_t target = builder.AddTarget(hostile, 5432, hostile, hostile, hostile);
  const uint32_t site = builder.AddCallSite(0xabcdef, {});
  builder.AddConnection(site, target, 1, 2, 1);
  Write(builder, served.ledgers());
  std::ofstream(served.ledgers() + "/" + "1-1.ledger") << hostile;
  ASSERT_TRUE(served.Start());
  ASSERT_TRUE(
      WaitUntil([&] { return served.Get("/metrics").body.find("script") != std::string::npos; }));
  served.Metrics();  // each line is a sample, and there once
  const std::string metrics = served.Get("/metrics").body;
  EXPECT_TRUE(std::all_of(metrics.begin(), metrics.end(), [](char c) {
    return c == '\n' || (c >= ' ' && c < 0x7f);
  })) << metrics;
  EXPECT_THAT(metrics, HasSubstr("service=\"<script>alert(1)</script>\\\"\\\\x0a} 1\\\\x1b[2J"));
  const std::string report = served.Get("/api/report").body;
  EXPECT_EQ(nlohmann::json::parse(report)["call_sites"][0]["connections"][0]["dbname"]
                .get<std::string>()
                .substr(0, 8),
            "<script>");
  EXPECT_TRUE(std::all_of(report.begin(), report.end(),
                          [](char c) { return c == '\n' || (c >= ' ' && c < 0x7f); }));
  // Names of paths are not said back at all.
  EXPECT_THAT(served.Get("/%3Cscript%3E").body, Not(HasSubstr("script")));
}

TEST(ServeTest, TheHookHearsOfEachFindingOnce) {
  const TemporaryDirectory directory;
  const std::string heard = directory / "heard";
  Served served({"--on-finding",
                 "{ echo \"$PQLEASH_FINDING_KIND $PQLEASH_FINDING_CONFIDENCE "
                 "$PQLEASH_FINDING_SERVICE $PQLEASH_FINDING_CALL_SITE\"; cat; } >> " +
                     heard});
  const Sleeper process;
  LedgerBuilder builder = LedgerOf(process.pid(), "orders");
  const uint32_t target = builder.AddTarget("db-1", 5432, "app", "shop", "app");
  const uint32_t site = builder.AddCallSite(0xabcdef, {});
  builder.AddConnection(site, target, 1, 2, 1).transaction = ledger::kTransactionOpen;
  Write(builder, served.ledgers());
  ASSERT_TRUE(served.Start());
  const std::string line = "idle-in-transaction proven orders 0000000000abcdef\n";
  ASSERT_TRUE(WaitUntil([&] { return ReadAll(heard).find(line) != std::string::npos; }))
      << ReadAll(heard);
  EXPECT_TRUE(served.Becomes(
      "pqleash_findings{kind=\"idle-in-transaction\",confidence=\"proven\",service=\"orders\"}",
      1));
  const double readings = served.Metrics()["pqleash_readings_total"];
  ASSERT_TRUE(WaitUntil([&] { return served.Metrics()["pqleash_readings_total"] > readings + 2; }));
  const std::string text = ReadAll(heard);
  EXPECT_EQ(text.find(line), text.rfind(line)) << "more than once: " << text;
  const size_t begin = text.find('{', text.find(line));
  const auto json = nlohmann::json::parse(text.substr(begin, text.find("\n}", begin) + 2 - begin));
  EXPECT_EQ(json["kind"], "idle-in-transaction");
  EXPECT_EQ(json["service"], "orders");
}

TEST(ServeTest, ReportAsMetricsForATextfileCollector) {
  Served served;  // its directory alone
  const TemporaryDirectory directory;
  const std::string file = directory / "pqleash.prom";
  const Sleeper process;
  Write(Pool(process.pid(), "orders", 3), served.ledgers());
  Write(LedgerOfDead(1, "gone"), served.ledgers());
  const Outcome outcome =
      RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "report", "--dir", served.ledgers(), "--no-scan",
                              "--format", "prometheus", "--output", file}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  const Samples samples = SamplesIn(ReadAll(file));
  EXPECT_EQ(samples.at("db_client_connection_count{service=\"orders\",database=\"shop\","
                       "state=\"idle\"}"),
            3);
  EXPECT_EQ(samples.at("pqleash_connections_opened_total{service=\"orders\"}"), 3);
  EXPECT_TRUE(samples.contains("pqleash_connections_opened_total{service=\"gone\"}"));
  EXPECT_FALSE(samples.contains("pqleash_processes{service=\"gone\"}"));
  EXPECT_FALSE(samples.contains("pqleash_readings_total")) << "nothing of a server";
  const Outcome wrong = RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "report", "--format",
                                                "prometheus", "--fail-on", "proven"}});
  EXPECT_EQ(wrong.exit_code, 2);
}

}  // namespace
}  // namespace pqleash::testing
