// SPDX-License-Identifier: Apache-2.0
//
// A real Prometheus scrapes `pqleash serve` for a minute, while a service leaks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/serve/served.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using Json = nlohmann::json;

constexpr char kConfiguration[] = R"(
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: pqleash
    static_configs: [{targets: ["127.0.0.1:%PORT%"]}]
)";

constexpr char kRules[] = R"(
groups:
  - name: pqleash
    rules:
      - {alert: Leak, expr: "pqleash_leak_suspects > 0", for: 2s}
      - {alert: ManyConnections, expr: "sum(db_client_connection_count) > 1000"}
)";

// A port that was free a moment ago: Prometheus does not say which one it has chosen.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<const struct sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<struct sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

class Prometheus {
 public:
  explicit Prometheus(int target_port) : port_(FreePort()) {
    std::string configuration = kConfiguration;
    configuration.replace(configuration.find("%PORT%"), 6, std::to_string(target_port));
    std::ofstream(directory_ / "prometheus.yml") << configuration;
    std::ofstream(directory_ / "rules.yml") << kRules;
    const std::string address = "127.0.0.1:" + std::to_string(port_);
    process_.emplace(
        Command{.arguments = {"prometheus", "--config.file", directory_ / "prometheus.yml",
                              "--storage.tsdb.path", directory_ / "data", "--web.listen-address",
                              address, "--log.level", "warn"},
                .limit = std::chrono::minutes(3)});
  }
  ~Prometheus() { process_->Signal(SIGKILL); }

  bool IsReady() const { return Ask("/-/ready") != std::nullopt; }

  // The data of an answer of its HTTP API; null: there was none.
  Json Api(const std::string& path) const {
    const auto body = Ask("/api/v1/" + path);
    const Json json = body ? Json::parse(*body, nullptr, false) : Json();
    return json.is_object() && json.value("status", "") == "success" ? json["data"] : Json();
  }

  // As it may stand in the query of a URL.
  static std::string Encoded(const std::string& text) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (std::isalnum(byte) != 0) {
        encoded += c;
      } else {
        encoded.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
      }
    }
    return encoded;
  }

  // The value of a query that gives one; no value: it gives another number of them.
  std::optional<double> Value(const std::string& query) const {
    const Json data = Api("query?query=" + Encoded(query));
    if (!data.is_object() || data["result"].size() != 1) return std::nullopt;
    return std::stod(data["result"][0]["value"][1].get<std::string>());
  }

  // 'firing', 'pending' or '': it is not there.
  std::string AlertState(const std::string& name) const {
    const Json data = Api("alerts");
    if (!data.is_object()) return "?";
    for (const Json& alert : data["alerts"]) {
      if (alert["labels"]["alertname"] == name) return alert["state"];
    }
    return "";
  }

 private:
  std::optional<std::string> Ask(const std::string& path) const {
    httplib::Client client("127.0.0.1", port_);
    const httplib::Result result = client.Get(path);
    return result && result->status == 200 ? std::optional(result->body) : std::nullopt;
  }

  TemporaryDirectory directory_;
  int port_;
  std::optional<Subprocess> process_;
};

TEST(PrometheusTest, SeesAServiceLeak) {
  if (RunToEnd({.arguments = {"sh", "-c", "command -v prometheus"}}).exit_code != 0) {
    GTEST_SKIP() << "there is no prometheus; scripts/install-packages --monitoring";
  }
  Served served({"--scan-interval", "2s"});
  ASSERT_TRUE(served.Start());
  const Prometheus prometheus(served.port());
  ASSERT_TRUE(WaitUntil([&] { return prometheus.IsReady(); }, std::chrono::seconds(60)));
  ASSERT_TRUE(WaitUntil([&] { return prometheus.Value("up") == 1; })) << prometheus.Api("targets");
  EXPECT_EQ(prometheus.AlertState("Leak"), "");

  Subprocess service({.arguments = {PQLEASH_TEST_LEAKING_SERVICE},
                      .environment = {{"LD_PRELOAD", PQLEASH_TEST_LIBRARY},
                                      {"PQLEASH_DIR", served.ledgers()},
                                      {"PQLEASH_SERVICE", "orders"}},
                      .hold_input = true,
                      .limit = std::chrono::minutes(3)});
  ASSERT_TRUE(service.WaitForOutput("ready"));
  ASSERT_TRUE(WaitUntil([&] { return prometheus.AlertState("Leak") == "firing"; },
                        std::chrono::seconds(90)))
      << served.Get("/metrics").body;
  EXPECT_EQ(prometheus.AlertState("ManyConnections"), "");
  EXPECT_GT(prometheus.Value("pqleash_leak_suspects{service=\"orders\"}").value_or(0), 3);
  // A minute of scrapes without one that failed.
  ASSERT_TRUE(
      WaitUntil([&] { return prometheus.Value("count_over_time(up[5m])").value_or(0) >= 60; },
                std::chrono::seconds(90)));
  EXPECT_EQ(prometheus.Value("min_over_time(up[5m])"), 1);
  EXPECT_GT(prometheus.Value("increase(pqleash_connections_opened_total[30s])").value_or(0), 10);
  EXPECT_EQ(prometheus.Value("sum(resets(pqleash_connections_opened_total[5m]))"), 0);
  EXPECT_GT(prometheus
                .Value("histogram_quantile(0.5, "
                       "rate(db_client_connection_create_time_seconds_bucket[1m]))")
                .value_or(0),
            0);
  const double opened = SamplesIn(served.Get("/metrics").body)
                            .at("pqleash_connections_opened_total{service=\"orders\"}");

  service.CloseInput();
  EXPECT_EQ(service.Wait().exit_code, 0) << service.Wait().err;
  // The alert ends, and the counters stay where they are.
  EXPECT_TRUE(WaitUntil([&] { return prometheus.AlertState("Leak").empty(); }));
  EXPECT_GE(prometheus.Value("pqleash_connections_opened_total").value_or(0), opened);
  EXPECT_EQ(prometheus.Value("sum(resets(pqleash_connections_opened_total[5m]))"), 0);
  const Json targets = prometheus.Api("targets");
  EXPECT_EQ(targets["activeTargets"][0]["lastError"], "");
}

}  // namespace
}  // namespace pqleash::testing
