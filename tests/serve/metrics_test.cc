// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "reporter/serve/counters.h"
#include "reporter/serve/metric_set.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kNow = 10'000 * kSecond;

// Living processes, and the metrics of them.
class MetricsTest : public ::testing::Test {
 protected:
  Snapshot& AddProcess(const std::string& service) {
    Snapshot& snapshot = snapshots_.emplace_back();
    snapshot.process.service = service;
    snapshot.process.ledger = "/ledgers/" + std::to_string(snapshots_.size());
    snapshot.process.life = Life::kLive;
    snapshot.as_of_ns = kNow;
    snapshot.call_sites.resize(1);
    snapshot.targets.resize(1);
    return snapshot;
  }

  static Connection& AddConnection(Snapshot* snapshot, const std::string& database,
                                   uint64_t call_site, bool used, uint64_t age_ns = 60 * kSecond) {
    Target target;
    target.dbname = database;
    snapshot->targets.push_back(target);
    CallSite site;
    site.id = call_site;
    site.opened = site.open = 1;
    snapshot->call_sites.push_back(site);
    Connection& connection = snapshot->connections.emplace_back();
    connection.target = static_cast<uint32_t>(snapshot->targets.size() - 1);
    connection.call_site = static_cast<uint32_t>(snapshot->call_sites.size() - 1);
    connection.opened_ns = connection.established_ns = kNow - age_ns;
    connection.last_activity_ns = kNow - kSecond;
    connection.commands = 1;
    if (used) connection.busy_since_ns = kNow - kSecond;
    return connection;
  }

  std::string Text(size_t top = kDefaultTop) {
    TotalsMemory services(kProcessCounters, kMaxServices);
    std::vector<CountersReading> readings;
    for (const Snapshot& snapshot : snapshots_) readings.push_back(ReadingOf(snapshot));
    services.Take(readings, [](const std::string&) { return true; });
    TotalsMemory caps(kCapCounters, kMaxCaps);
    readings.clear();
    for (const CapsPolicy& cap : caps_) {
      for (CountersReading& reading : ReadingsOf(cap)) readings.push_back(std::move(reading));
    }
    caps.Take(readings, [](const std::string&) { return true; });
    const std::vector<CallSiteGroup> call_sites = GroupCallSites(snapshots_);
    const Observation observation = {snapshots_, call_sites, {}, {}, {}, caps_};
    return MetricsText(MetricFamilies({observation, findings_, services, caps, top, std::nullopt}));
  }

  // How many series there are; no two may be the same.
  static size_t SeriesIn(const std::string& text) {
    std::istringstream lines(text);
    std::set<std::string> series;
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line.front() == '#') continue;
      const std::string name = line.substr(0, line.rfind(' '));
      EXPECT_TRUE(series.insert(name).second) << "twice: " << name;
    }
    return series.size();
  }

  std::vector<Snapshot> snapshots_;
  std::vector<Finding> findings_;
  std::vector<CapsPolicy> caps_;
};

TEST_F(MetricsTest, Connections) {
  Snapshot& orders = AddProcess("orders");
  AddConnection(&orders, "shop", 0xa, true);
  AddConnection(&orders, "shop", 0xa, false, 500 * kSecond);
  AddConnection(&orders, "shop", 0xb, false);
  AddConnection(&orders, "stock", 0xb, true).transaction = Transaction::kOpen;
  orders.connections.back().last_activity_ns = kNow - 90 * kSecond;
  orders.connections.back().opened_ns = orders.connections.back().established_ns =
      kNow - 95 * kSecond;
  AddConnection(&orders, "shop", 0xb, false).state = ConnectionState::kFailed;
  AddConnection(&orders, "shop", 0xb, false).state = ConnectionState::kInherited;
  orders.totals.peak = 9;
  orders.caps_locked_out_since_ns = kNow - 40 * kSecond;
  AddProcess("stock");
  const std::string text = Text();
  for (const char* line : {
           "db_client_connection_count{service=\"orders\",database=\"shop\",state=\"idle\"} 2\n",
           "db_client_connection_count{service=\"orders\",database=\"shop\",state=\"used\"} 1\n",
           "db_client_connection_count{service=\"orders\",database=\"stock\",state=\"used\"} 1\n",
           "pqleash_call_site_connections{call_site=\"000000000000000a\",state=\"used\"} 1\n",
           "pqleash_call_site_connections{call_site=\"000000000000000b\",state=\"idle\"} 1\n",
           "pqleash_oldest_connection_age_seconds{service=\"orders\"} 500\n",
           "pqleash_oldest_idle_in_transaction_seconds{service=\"orders\"} 90\n",
           "pqleash_unfinished_failed_connections{service=\"orders\"} 1\n",
           "pqleash_connections_high_water{service=\"orders\"} 9\n",
           "pqleash_caps_not_in_force_seconds{service=\"orders\"} 40\n",
           "pqleash_caps_not_in_force_seconds{service=\"stock\"} 0\n",
           "pqleash_leak_suspects{service=\"orders\"} 0\n",
           "pqleash_processes{service=\"orders\"} 1\n",
           "# TYPE db_client_connection_count gauge\n",
           "# TYPE pqleash_connections_opened_total counter\n",
           "pqleash_build_info{version=\"" PQLEASH_VERSION "\"} 1\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(MetricsTest, CountersAndTimes) {
  Snapshot& orders = AddProcess("orders");
  orders.totals = {.opened = 7, .closed = 3, .failed = 2, .unrecorded_connections = 1};
  orders.totals.server_full = 4;
  orders.times.create.sum_ns = 1'500'000'000;
  orders.times.create.buckets[0] = 1;   // up to 1 µs
  orders.times.create.buckets[10] = 2;  // up to 1,024 µs
  orders.times.create.buckets[31] = 3;  // without an end
  const std::string text = Text();
  for (const char* line : {
           "pqleash_connections_opened_total{service=\"orders\"} 7\n",
           "pqleash_connections_closed_total{service=\"orders\"} 3\n",
           "pqleash_connections_failed_total{service=\"orders\"} 2\n",
           "pqleash_connections_unrecorded_total{service=\"orders\"} 1\n",
           "pqleash_server_full_total{service=\"orders\"} 4\n",
           "# TYPE db_client_connection_create_time_seconds histogram\n",
           "db_client_connection_create_time_seconds_count{service=\"orders\"} 6\n",
           "db_client_connection_create_time_seconds_sum{service=\"orders\"} 1.5\n",
           "create_time_seconds_bucket{service=\"orders\",le=\"0.000512\"} 1\n",
           "create_time_seconds_bucket{service=\"orders\",le=\"0.001024\"} 3\n",
           "create_time_seconds_bucket{service=\"orders\",le=\"+Inf\"} 6\n",
           "db_client_connection_use_time_seconds_count{service=\"orders\"} 0\n",
           "db_client_connection_wait_time_seconds_count{service=\"orders\"} 0\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(MetricsTest, FindingsAreOfTheServiceThatHoldsMost) {
  Snapshot& one = AddProcess("one");
  AddConnection(&one, "shop", 0xa, false);
  Snapshot& two = AddProcess("two");
  AddConnection(&two, "shop", 0xa, false);
  AddConnection(&two, "shop", 0xa, false);
  Finding leak;
  leak.kind = "leak-suspect";
  leak.call_site = 0xa;
  leak.connections = 3;
  Finding lost = leak;
  lost.kind = "lost-handle";
  lost.confidence = Confidence::kProven;
  lost.connections = 2;
  Finding nowhere;
  nowhere.kind = "cap-hit";
  findings_ = {leak, lost, nowhere};
  const std::string text = Text();
  for (const char* line : {
           "pqleash_findings{kind=\"leak-suspect\",confidence=\"likely\",service=\"two\"} 1\n",
           "pqleash_findings{kind=\"lost-handle\",confidence=\"proven\",service=\"two\"} 1\n",
           "pqleash_findings{kind=\"cap-hit\",confidence=\"likely\",service=\"\"} 1\n",
           "pqleash_leak_suspects{service=\"one\"} 0\n",
           "pqleash_leak_suspects{service=\"two\"} 5\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(MetricsTest, Caps) {
  CapsPolicy cap;
  cap.board = "/ledgers/caps.board";
  std::string("checkout").copy(cap.policy.filed.name, 47);
  cap.policy.filed.kind = caps::kCap;
  cap.policy.filed.scope = caps::kScopeService;
  cap.policy.service = "orders";
  cap.policy.rule.limit = 20;
  cap.policy.counters.use = 19;
  cap.policy.counters.waiting = 4;
  cap.policy.counters.admitted = 100;
  cap.policy.counters.waited = 30;
  cap.policy.counters.refused = 2;
  cap.policy.counters.timed_out = 1;
  caps_ = {cap};
  const std::string labels = "{service=\"orders\",cap=\"checkout\"";
  const std::string text = Text();
  for (const std::string& line : {
           "db_client_connection_max" + labels + "} 20\n",
           "db_client_connection_pending_requests" + labels + "} 4\n",
           "db_client_connection_timeouts_total" + labels + "} 1\n",
           "pqleash_cap_limit" + labels + "} 20\n",
           "pqleash_cap_in_use" + labels + "} 19\n",
           "pqleash_cap_waiting" + labels + "} 4\n",
           "pqleash_cap_decisions_total" + labels + ",decision=\"admitted\"} 100\n",
           "pqleash_cap_decisions_total" + labels + ",decision=\"waited\"} 30\n",
           "pqleash_cap_decisions_total" + labels + ",decision=\"refused\"} 2\n",
           "pqleash_cap_decisions_total" + labels + ",decision=\"timed_out\"} 1\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(MetricsTest, HostileTextsAreEscapedOnceAndStayOneSeries) {
  const std::string hostile = "a\"} 1\npqleash_up{x=\"\\<script>\x1b[31m\xff\xc0\x80";
  Snapshot& snapshot = AddProcess(hostile);
  AddConnection(&snapshot, hostile, 0xa, false);
  // Different, and alike once they are cut.
  AddProcess(std::string(200, 'x') + "1");
  AddProcess(std::string(200, 'x') + "2");
  const std::string text = Text();
  SeriesIn(text);
  const std::regex sample(
      R"re([a-z_]+(\{([a-z_]+="([ !#-\[\]-~]|\\\\|\\")*",?)*\})? [0-9.e+-]+)re");
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    EXPECT_TRUE(std::regex_match(line, sample)) << line;
  }
  EXPECT_THAT(text, Not(HasSubstr("\npqleash_up")));
  EXPECT_THAT(text,
              HasSubstr("pqleash_processes{service=\"" + std::string(61, 'x') + "...\"} 2\n"));
}

TEST_F(MetricsTest, SeriesAreBoundedWhateverLedgersSay) {
  for (uint64_t i = 0; i < 500; ++i) {
    Snapshot& snapshot = AddProcess("service" + std::to_string(i));
    for (uint64_t j = 0; j < 5; ++j) {
      AddConnection(&snapshot, "database" + std::to_string(j), 1 + 100 * i + j, j % 2 == 0);
    }
  }
  const std::string text = Text();
  // A service has 3 histograms of 24 series, and a dozen of others.
  EXPECT_LT(SeriesIn(text), (kMaxServices + 1) * 90 + 2 * (kMaxDatabases + 1) + 100);
  EXPECT_THAT(text, HasSubstr("pqleash_processes{service=\"other\"} 400\n"));
  EXPECT_THAT(text, HasSubstr("pqleash_call_site_connections{call_site=\"other\",state="));
  uint64_t connections = 0;
  uint64_t by_site = 0;
  size_t sites = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto value = [&] { return std::stoull(line.substr(line.rfind(' '))); };
    if (line.starts_with("db_client_connection_count{")) connections += value();
    if (line.starts_with("pqleash_call_site_connections{")) {
      by_site += value();
      ++sites;
    }
  }
  EXPECT_EQ(connections, 2'500u) << "none is left out";
  EXPECT_EQ(by_site, 2'500u);
  EXPECT_EQ(sites, 2 * (kDefaultTop + 1));
  EXPECT_THAT(
      Text(0),
      HasSubstr("pqleash_call_site_connections{call_site=\"other\",state=\"idle\"} 1000\n"));
}

}  // namespace
}  // namespace pqleash::reporter
