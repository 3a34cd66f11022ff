// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "reporter/serve/counters.h"
#include "reporter/serve/metric_set.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/caps_names.h"

namespace pqleash::reporter {
namespace {

double InSeconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

double ToDouble(uint64_t number) { return static_cast<double>(number); }

// The connections of a place, or of a service and a database.
struct Held {
  uint64_t idle = 0;
  uint64_t used = 0;
  uint64_t total() const { return idle + used; }
};

void Count(const Connection& connection, Held* held) {
  ++(connection.busy_since_ns != 0 ? held->used : held->idle);
}

// The keys that hold most, of equals the first; the others are summed up under `other`.
template <typename Key>
std::map<Key, Held> KeepTop(const std::map<Key, Held>& all, size_t count, const Key& other) {
  std::vector<std::pair<Key, Held>> sorted(all.begin(), all.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second.total() > b.second.total();
  });
  std::map<Key, Held> kept;
  for (size_t i = 0; i < sorted.size(); ++i) {
    Held& held = kept[i < count ? sorted[i].first : other];
    held.idle += sorted[i].second.idle;
    held.used += sorted[i].second.used;
  }
  return kept;
}

class MetricsBuilder {
 public:
  explicit MetricsBuilder(const MetricsInput& input) : input_(input) {}

  std::vector<prometheus::MetricFamily> Build() {
    AddBuild();
    AddTotals();
    AddProcesses();
    AddConnections();
    AddCallSites();
    AddFindings();
    AddCaps();
    AddCapTotals();
    if (input_.self) AddSelf(*input_.self);
    return set_.Take();
  }

 private:
  std::string ServiceLabel(const std::string& service) const {
    return LabelValue(input_.services.NameOf(service));
  }

  void AddBuild() {
    set_.AddGauge("pqleash_build_info", "The version of pqleash; always 1",
                  {{"version", PQLEASH_VERSION}}, 1);
  }

  void AddTotals() {
    for (const auto& sum : input_.services.sums()) {
      const Labels labels = {{"service", LabelValue(sum.first)}};
      const Counters& counters = sum.second;
      const auto add = [&](const std::string& name, const std::string& help, size_t index) {
        set_.AddCounter(name, help, labels, ToDouble(counters[index]));
      };
      add("pqleash_connections_opened_total", "Connections that were established", kOpenedTotal);
      add("pqleash_connections_closed_total", "Connections that were finished", kClosedTotal);
      add("pqleash_connections_failed_total", "Connects that failed", kFailedTotal);
      add("pqleash_server_full_total", "Connects that the server refused for want of a slot",
          kServerFullTotal);
      add("pqleash_connections_unrecorded_total",
          "Connects that found no room in the ledger of their process", kUnrecordedTotal);
      const auto add_times = [&](const std::string& name, const std::string& help, size_t index) {
        set_.AddTimes(name, help, labels, std::span(counters).subspan(index, kTimeCounters));
      };
      add_times("db_client_connection_create_time_seconds",
                "How long it took to establish a connection, without the wait at caps",
                kCreateTime);
      add_times("db_client_connection_wait_time_seconds", "How long a connect waited at caps",
                kWaitTime);
      add_times("db_client_connection_use_time_seconds",
                "How long a connection was in use at a time", kUseTime);
    }
  }

  void AddProcesses() {
    for (const Snapshot& snapshot : input_.observation.snapshots) {
      const std::string service = ServiceLabel(snapshot.process.service);
      set_.AddGauge("pqleash_processes", "Processes that have a ledger and live",
                    {{"service", service}}, 1);
      set_.AddGauge("pqleash_connections_high_water",
                    "The most connections that its processes have had open, summed up",
                    {{"service", service}}, ToDouble(snapshot.totals.peak));
      const uint64_t since = snapshot.caps_locked_out_since_ns;
      set_.MaxGauge("pqleash_caps_not_in_force_seconds",
                    "For how long a process has had to do without caps of its configuration, "
                    "because another process holds the lock of their board; 0: all are in force",
                    {{"service", service}},
                    since == 0 ? 0 : InSeconds(Since(snapshot.as_of_ns, since)));
    }
  }

  void AddConnections() {
    std::map<std::pair<std::string, std::string>, Held> held;
    for (const Snapshot& snapshot : input_.observation.snapshots) {
      const std::string& name = input_.services.NameOf(snapshot.process.service);
      const Labels service = {{"service", LabelValue(name)}};
      uint64_t oldest = 0;
      uint64_t in_transaction = 0;
      uint64_t unfinished = 0;
      for (const Connection& connection : snapshot.connections) {
        const bool failed = connection.state == ConnectionState::kFailed ||
                            connection.state == ConnectionState::kRefused;
        unfinished += failed && connection.in_call.empty();
        if (!IsOpen(connection)) continue;
        const std::string& database = snapshot.targets[connection.target].dbname;
        Count(connection, &held[{name, database}]);
        oldest = std::max(oldest, AgeNs(connection, snapshot.as_of_ns));
        if (connection.transaction == Transaction::kOpen ||
            connection.transaction == Transaction::kFailed) {
          in_transaction = std::max(in_transaction, IdleNs(connection, snapshot.as_of_ns));
        }
      }
      set_.MaxGauge("pqleash_oldest_connection_age_seconds", "Age of the oldest open connection",
                    service, InSeconds(oldest));
      set_.MaxGauge("pqleash_oldest_idle_in_transaction_seconds",
                    "The longest that a connection inside of a transaction has been unused",
                    service, InSeconds(in_transaction));
      set_.AddGauge("pqleash_unfinished_failed_connections",
                    "Failed connections that were not passed to PQfinish", service,
                    ToDouble(unfinished));
    }
    const std::pair<std::string, std::string> other = {TotalsMemory::kOther, TotalsMemory::kOther};
    for (const auto& entry : KeepTop(held, kMaxDatabases, other)) {
      const auto& key = entry.first;
      const auto add = [&](const char* state, uint64_t number) {
        set_.AddGauge("db_client_connection_count", "Open connections",
                      {{"service", LabelValue(key.first)},
                       {"database", LabelValue(key.second)},
                       {"state", state}},
                      ToDouble(number));
      };
      add("idle", entry.second.idle);
      add("used", entry.second.used);
    }
  }

  void AddCallSites() {
    std::map<std::string, Held> held;
    for (const CallSiteGroup& group : input_.observation.call_sites) {
      for (const GroupedConnection& place : group.connections) {
        const Connection& connection =
            input_.observation.snapshots[place.snapshot].connections[place.connection];
        if (IsOpen(connection)) Count(connection, &held[CallSiteName(group.id)]);
      }
    }
    for (const auto& entry : KeepTop(held, input_.top, std::string(TotalsMemory::kOther))) {
      const auto add = [&](const char* state, uint64_t number) {
        set_.AddGauge("pqleash_call_site_connections",
                      "Open connections by the code that opened them, as `pqleash report` names it",
                      {{"call_site", entry.first}, {"state", state}}, ToDouble(number));
      };
      add("idle", entry.second.idle);
      add("used", entry.second.used);
    }
  }

  void AddFindings() {
    // An alert on a series that is not there is an alert that never fires: services have theirs
    // from the beginning.
    for (const Snapshot& snapshot : input_.observation.snapshots) {
      AddSuspects(snapshot.process.service, 0);
    }
    for (const Finding& finding : input_.findings) {
      const std::string service = ServiceOf(input_.observation, finding);
      set_.AddGauge("pqleash_findings", "What `pqleash report` finds wrong now",
                    {{"kind", std::string(finding.kind)},
                     {"confidence", std::string(NameOf(finding.confidence))},
                     {"service", service.empty() ? "" : ServiceLabel(service)}},
                    1);
      if (finding.kind == "leak-suspect" || finding.kind == "lost-handle" ||
          finding.kind == "lost-owner") {
        AddSuspects(service, finding.connections);
      }
    }
  }

  void AddSuspects(const std::string& service, uint64_t connections) {
    set_.AddGauge("pqleash_leak_suspects", "Connections that are leaked, or suspected to be",
                  {{"service", service.empty() ? "" : ServiceLabel(service)}},
                  ToDouble(connections));
  }

  void AddCaps() {
    const std::vector<CapsPolicy>& caps = input_.observation.caps;
    for (size_t i = 0; i < caps.size(); ++i) {
      const BoardPolicy& policy = caps[i].policy;
      const bool kept = i < kMaxCaps;
      const Labels labels = {
          {"service", kept ? LabelValue(policy.service) : TotalsMemory::kOther},
          {"cap", kept ? LabelValue(policy.filed.name) : TotalsMemory::kOther},
      };
      const PolicyCounters& counters = policy.counters;
      set_.AddGauge("db_client_connection_pending_requests", "Connects that wait at a cap", labels,
                    ToDouble(counters.waiting));
      set_.AddGauge("pqleash_cap_waiting", "Connects that wait at a cap or a pace", labels,
                    ToDouble(counters.waiting));
      if (policy.filed.kind != caps::kCap) continue;
      set_.AddGauge("db_client_connection_max", "The most connections that a cap allows", labels,
                    policy.rule.limit);
      set_.AddGauge("pqleash_cap_limit", "The most connections that a cap allows", labels,
                    policy.rule.limit);
      set_.AddGauge("pqleash_cap_in_use", "Connections that count for a cap", labels,
                    ToDouble(counters.use));
    }
  }

  void AddCapTotals() {
    constexpr std::pair<const char*, CapCounter> kDecisions[] = {
        {"admitted", kAdmittedTotal}, {"warned", kWarnedTotal},      {"waited", kWaitedTotal},
        {"refused", kRefusedTotal},   {"timed_out", kTimedOutTotal},
    };
    for (const auto& [group, counters] : input_.caps.sums()) {
      const auto [service, cap] = CapOfGroup(group);
      const Labels labels = {{"service", LabelValue(service)}, {"cap", LabelValue(cap)}};
      for (const auto& [decision, index] : kDecisions) {
        Labels all = labels;
        all.emplace_back("decision", decision);
        set_.AddCounter("pqleash_cap_decisions_total",
                        "What a cap decided; admitted counts those that were warned of or waited, "
                        "too",
                        std::move(all), ToDouble(counters[index]));
      }
      set_.AddCounter("db_client_connection_timeouts_total",
                      "Connects that waited at a cap in vain", labels,
                      ToDouble(counters[kTimedOutTotal]));
    }
  }

  void AddSelf(const SelfMetrics& self) {
    set_.AddGauge("pqleash_reading_duration_seconds", "How long it took to read all ledgers", {},
                  self.reading_s);
    set_.AddCounter("pqleash_readings_total", "How often all ledgers were read", {},
                    self.readings_total);
    set_.AddGauge("pqleash_last_reading_timestamp_seconds", "When the ledgers were read", {},
                  self.last_reading_realtime_s);
    set_.AddGauge("pqleash_unreadable",
                  "Ledgers, boards and directories that could not be read, and parts that are "
                  "missing",
                  {}, self.unreadable);
    set_.AddGauge("pqleash_ended_processes_remembered",
                  "Ledgers of ended processes that lie there and are counted", {},
                  self.ended_remembered);
    if (self.search_s) {
      set_.AddGauge("pqleash_memory_search_duration_seconds",
                    "How long the last search for lost connections took", {}, *self.search_s);
    }
  }

  const MetricsInput& input_;
  MetricSet set_;
};

}  // namespace

std::vector<prometheus::MetricFamily> MetricFamilies(const MetricsInput& input) {
  return MetricsBuilder(input).Build();
}

std::string MetricsText(const std::vector<prometheus::MetricFamily>& families) {
  return prometheus::TextSerializer().Serialize(families);
}

std::string ServiceOf(const Observation& observation, const Finding& finding) {
  if (!finding.call_site) return {};
  const auto& groups = observation.call_sites;
  const auto group =
      std::lower_bound(groups.begin(), groups.end(), *finding.call_site,
                       [](const CallSiteGroup& each, uint64_t id) { return each.id < id; });
  if (group == groups.end() || group->id != *finding.call_site) return {};
  std::map<std::string, uint64_t> open;  // by service
  for (const CallSiteMember& member : group->members) {
    open[observation.snapshots[member.snapshot].process.service];
  }
  for (const GroupedConnection& place : group->connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    open[snapshot.process.service] += IsOpen(snapshot.connections[place.connection]);
  }
  const auto most = std::max_element(
      open.begin(), open.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == open.end() ? std::string() : most->first;
}

}  // namespace pqleash::reporter
