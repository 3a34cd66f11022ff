// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/demand.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "reporter/snapshot/connection_times.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kWindowPeriods = 18;  // 'the last minutes'
constexpr size_t kMinEarlier = 2;        // periods before a full server, to compare with

// Clocks of different boots have nothing to do with each other.
using PeriodKey = std::pair<std::string, uint64_t>;

struct Sum {
  uint64_t open = 0;
  uint64_t in_use = 0;
  uint64_t opened = 0;
  uint64_t refused = 0;
  uint64_t held_back = 0;
  uint64_t uses = 0;
  uint64_t busy_ns = 0;
  uint64_t closed = 0;
  uint64_t server_full = 0;
  uint64_t realtime_ns = 0;
};

uint64_t RealtimeOf(const Process& process, uint64_t period) {
  // Wraps around where the period began before the process did, and back.
  return process.created_realtime_ns + (period * kHistoryPeriodNs - process.created_monotonic_ns);
}

// What the process had in use at once in a period, without what it had forgotten by its end.
uint64_t NeededIn(const Snapshot& snapshot, const HistoryPeriod& happened) {
  const uint64_t end = (happened.period + 1) * kHistoryPeriodNs;
  const auto forgotten = static_cast<uint64_t>(std::count_if(
      snapshot.connections.begin(), snapshot.connections.end(), [&](const Connection& connection) {
        return IsForgotten(snapshot, connection) && LastUseNs(connection) < end;
      }));
  const uint64_t peak = happened.in_use_peak;
  if (forgotten == 0) return peak;
  // The peak may have been before they were forgotten: what the uses that ended took on average is
  // the least that was needed.
  const uint64_t average = (happened.busy_ns + kHistoryPeriodNs - 1) / kHistoryPeriodNs;
  return std::max({peak > forgotten ? peak - forgotten : 0, std::min(average, peak),
                   std::min<uint64_t>(peak, 1)});
}

// A period in which nothing happened has no record: what was held and in use went on.
void AddSilent(const Snapshot& snapshot, uint64_t period, Sum* sum) {
  const uint64_t begin = period * kHistoryPeriodNs;
  for (const Connection& connection : snapshot.connections) {
    if (!IsOpen(connection) || connection.established_ns >= begin) continue;
    ++sum->open;
    const bool running = connection.busy_since_ns != 0 && connection.busy_since_ns < begin;
    sum->in_use += running && !IsForgotten(snapshot, connection);
  }
}

using Sums = std::map<PeriodKey, Sum>;

Sums SumsOf(const std::vector<Snapshot>& snapshots, const std::vector<size_t>& processes) {
  Sums sums;
  for (const size_t index : processes) {
    const Snapshot& snapshot = snapshots[index];
    for (const HistoryPeriod& happened : snapshot.history) {
      Sum& sum = sums[{snapshot.process.boot_id, happened.period}];
      sum.realtime_ns = RealtimeOf(snapshot.process, happened.period);
    }
  }
  for (auto& [key, sum] : sums) {
    for (const size_t index : processes) {
      const Snapshot& snapshot = snapshots[index];
      if (snapshot.process.boot_id != key.first) continue;
      const auto happened = std::lower_bound(
          snapshot.history.begin(), snapshot.history.end(), key.second,
          [](const HistoryPeriod& each, uint64_t period) { return each.period < period; });
      if (happened == snapshot.history.end() || happened->period != key.second) {
        AddSilent(snapshot, key.second, &sum);
        continue;
      }
      sum.open += happened->open_peak;
      sum.in_use += NeededIn(snapshot, *happened);
      sum.opened += happened->opened;
      sum.closed += happened->closed;
      sum.refused += happened->refused;
      sum.held_back += uint64_t{happened->waited} + happened->refused;
      sum.uses += happened->uses;
      sum.busy_ns += happened->busy_ns;
      sum.server_full += happened->server_full;
    }
  }
  return sums;
}

void Raise(Peak* peak, uint64_t connections, uint64_t realtime_ns) {
  if (connections > peak->connections) *peak = {connections, realtime_ns};
}

// Of one process, from the history, and from its all-time peak where that is to be trusted.
Peak PeakOf(const Snapshot& snapshot) {
  Peak peak;
  for (const HistoryPeriod& happened : snapshot.history) {
    Raise(&peak, NeededIn(snapshot, happened), RealtimeOf(snapshot.process, happened.period));
  }
  const bool forgotten =
      std::any_of(snapshot.connections.begin(), snapshot.connections.end(),
                  [&](const Connection& connection) { return IsForgotten(snapshot, connection); });
  if (!forgotten) Raise(&peak, snapshot.totals.in_use_peak, 0);
  return peak;
}

uint64_t MostAtOnce(const std::vector<Snapshot>& snapshots, const std::vector<size_t>& processes) {
  // +1 at a begin, -1 at an end; at the same moment begins come first.
  std::vector<std::tuple<std::string, uint64_t, int>> moments;
  for (const size_t index : processes) {
    const Process& process = snapshots[index].process;
    moments.emplace_back(process.boot_id, process.created_monotonic_ns, 0);
    moments.emplace_back(process.boot_id,
                         std::max(snapshots[index].as_of_ns, process.created_monotonic_ns), 1);
  }
  std::sort(moments.begin(), moments.end());
  uint64_t now = 0;
  uint64_t most = 0;
  for (const auto& [boot, when, end] : moments) {
    now = end == 1 ? now - 1 : now + 1;
    most = std::max(most, now);
  }
  return most;
}

void AddTimes(const TimeHistogram& from, TimeHistogram* to) {
  to->sum_ns += from.sum_ns;
  for (size_t i = 0; i < from.buckets.size(); ++i) to->buckets[i] += from.buckets[i];
}

// What part of the last `window_ns` the open connections were in use.
double ShareOf(const std::vector<Snapshot>& snapshots, const std::vector<size_t>& processes,
               uint64_t window_ns, uint64_t busy_ns, double closed_held_ns) {
  auto busy = static_cast<double>(busy_ns);
  double held = closed_held_ns;
  for (const size_t index : processes) {
    const Snapshot& snapshot = snapshots[index];
    for (const Connection& connection : snapshot.connections) {
      if (!IsOpen(connection)) continue;
      busy += static_cast<double>(std::min(InUseNs(connection, snapshot.as_of_ns), window_ns));
      held += static_cast<double>(
          std::min(Since(snapshot.as_of_ns, connection.established_ns), window_ns));
    }
  }
  // Uses are booked when they end, with all that was before the window.
  return held == 0 ? -1 : std::min(1.0, busy / held);
}

// The sums of the last `count` periods as of now; how long they have lasted is in `lasted_ns`.
Sum Recent(const Sums& sums, const std::string& boot_id, uint64_t as_of_ns, uint64_t since_ns,
           uint64_t count, uint64_t* lasted_ns) {
  const uint64_t last = as_of_ns / kHistoryPeriodNs;
  const uint64_t first = last >= count ? last - count + 1 : 0;
  Sum recent;
  for (const auto& [key, sum] : sums) {
    if (key.first != boot_id || key.second < first || key.second > last) continue;
    recent.opened += sum.opened;
    recent.closed += sum.closed;
    recent.uses += sum.uses;
    recent.busy_ns += sum.busy_ns;
    recent.held_back += sum.held_back;
    recent.server_full += sum.server_full;
    recent.in_use = std::max(recent.in_use, sum.in_use);
  }
  *lasted_ns = Since(as_of_ns, std::max(first * kHistoryPeriodNs, since_ns));
  return recent;
}

void AddPast(const Snapshot& snapshot, TimeHistogram* use, TimeHistogram* wait,
             uint64_t* closed_life_ns, Demand* demand) {
  demand->observed_ns = std::max(demand->observed_ns,
                                 Since(snapshot.as_of_ns, snapshot.process.created_monotonic_ns));
  AddTimes(snapshot.times.use, use);
  AddTimes(snapshot.times.wait, wait);
  for (const CallSite& site : snapshot.call_sites) {
    demand->closed += site.closed;
    *closed_life_ns += site.closed_life_ns;
  }
}

void AddPresent(const Snapshot& snapshot, std::set<int32_t>* threads, Demand* demand) {
  demand->open += snapshot.totals.open;
  demand->in_use += snapshot.totals.in_use;
  for (const Connection& connection : snapshot.connections) {
    if (!IsOpen(connection)) continue;
    demand->forgotten += IsForgotten(snapshot, connection);
    threads->insert(connection.tid);
  }
}

// Whether the service had grown when the server was full.
bool GrewToFull(const Sums& sums, uint64_t held_when_full) {
  std::vector<uint64_t> before;
  for (const auto& [key, sum] : sums) {
    if (sum.server_full != 0) break;
    before.push_back(sum.open);
  }
  if (before.size() < kMinEarlier) return true;
  const auto quartile = before.begin() + static_cast<ptrdiff_t>(before.size() / 4);
  std::nth_element(before.begin(), quartile, before.end());
  return 2 * held_when_full >= 3 * *quartile;
}

void ReadPeriods(const Sums& sums, Demand* demand) {
  for (const auto& [key, sum] : sums) {
    demand->open_peak = std::max(demand->open_peak, sum.open);
    Raise(&demand->in_use_peak, sum.in_use, sum.realtime_ns);
    demand->server_full += sum.server_full;
    if (sum.server_full != 0) demand->held_when_full = std::max(demand->held_when_full, sum.open);
    if (!demand->short_lived) continue;
    const double arrivals =
        static_cast<double>(sum.opened + sum.refused) * 1e9 / static_cast<double>(kHistoryPeriodNs);
    demand->little_arrivals_per_s = std::max(demand->little_arrivals_per_s, arrivals);
  }
  demand->grew_to_full = demand->held_when_full != 0 && GrewToFull(sums, demand->held_when_full);
  const double at_once =
      demand->little_arrivals_per_s * static_cast<double>(demand->usual_life_ns) / 1e9;
  demand->little = static_cast<uint64_t>(std::ceil(std::min(at_once, 1e6)));
}

void ReadWindow(const std::vector<Snapshot>& snapshots, const std::vector<size_t>& processes,
                const Sums& sums, Demand* demand) {
  const Snapshot* newest = &snapshots[processes.front()];
  for (const size_t index : processes) {
    if (snapshots[index].as_of_ns > newest->as_of_ns) newest = &snapshots[index];
  }
  const uint64_t now = newest->as_of_ns;
  const uint64_t since = Since(now, demand->observed_ns);
  const std::string& boot = newest->process.boot_id;
  const Sum recent = Recent(sums, boot, now, since, kWindowPeriods, &demand->window_ns);
  if (demand->window_ns != 0) {
    const double seconds = static_cast<double>(demand->window_ns) / 1e9;
    demand->uses_per_s = static_cast<double>(recent.uses) / seconds;
    demand->connects_per_s = static_cast<double>(recent.opened) / seconds;
  }
  demand->held_back = recent.held_back;
  const double closed_held =
      static_cast<double>(recent.closed) *
      static_cast<double>(std::min(demand->usual_life_ns, demand->window_ns));
  const double share =
      ShareOf(snapshots, processes, demand->window_ns, recent.busy_ns, closed_held);
  if (share >= 0) demand->busy_share = share;
}

}  // namespace

bool IsForgotten(const Snapshot& snapshot, const Connection& connection) {
  const bool unread = IsOpen(connection) && connection.transaction == Transaction::kActive &&
                      IdleNs(connection, snapshot.as_of_ns) >= kForgottenInAnswerNs;
  return unread || IsStuck(snapshot, connection, kForgottenInTransactionNs);
}

TimeSummary Summarise(const TimeHistogram& histogram) {
  TimeSummary summary;
  for (const uint64_t count : histogram.buckets) summary.count += count;
  if (summary.count == 0) return summary;
  summary.mean_ns = histogram.sum_ns / summary.count;
  const uint64_t wanted = summary.count - summary.count / 20;
  uint64_t seen = 0;
  for (size_t i = 0; i < histogram.buckets.size(); ++i) {
    seen += histogram.buckets[i];
    if (seen < wanted) continue;
    summary.p95_ns = (uint64_t{1} << i) * 1'000;
    break;
  }
  return summary;
}

std::vector<size_t> CurrentOf(const std::vector<Snapshot>& snapshots,
                              const std::vector<size_t>& processes) {
  std::vector<size_t> living;
  std::copy_if(processes.begin(), processes.end(), std::back_inserter(living),
               [&](size_t index) { return MayLive(snapshots[index].process.life); });
  if (!living.empty()) return living;
  return {*std::max_element(processes.begin(), processes.end(), [&](size_t a, size_t b) {
    return snapshots[a].process.created_realtime_ns < snapshots[b].process.created_realtime_ns;
  })};
}

Demand DemandOf(const std::vector<Snapshot>& snapshots, const std::vector<size_t>& processes) {
  Demand demand;
  demand.processes = MostAtOnce(snapshots, processes);
  TimeHistogram use;
  TimeHistogram wait;
  uint64_t closed_life_ns = 0;
  std::set<int32_t> threads;
  for (const size_t index : processes) {
    AddPast(snapshots[index], &use, &wait, &closed_life_ns, &demand);
    const Peak peak = PeakOf(snapshots[index]);
    Raise(&demand.process_peak, peak.connections, peak.realtime_ns);
    demand.process_open_peak = std::max(
        {demand.process_open_peak, snapshots[index].totals.peak, snapshots[index].totals.open});
    demand.server_full_ever += snapshots[index].totals.server_full;
  }
  const std::vector<size_t> current = CurrentOf(snapshots, processes);
  for (const size_t index : current) AddPresent(snapshots[index], &threads, &demand);
  demand.open_peak = std::max(demand.process_open_peak, demand.open);
  demand.use = Summarise(use);
  demand.wait = Summarise(wait);
  demand.usual_life_ns = demand.closed == 0 ? 0 : closed_life_ns / demand.closed;
  demand.short_lived =
      demand.closed >= 10 && demand.usual_life_ns <= kShortLifeNs && demand.closed >= demand.open;
  demand.one_each_thread = demand.open > 1 && threads.size() == demand.open;
  const Sums sums = SumsOf(snapshots, processes);
  ReadPeriods(sums, &demand);
  // Of one process the all-time peak reaches further back than the history.
  Raise(&demand.in_use_peak, demand.process_peak.connections, demand.process_peak.realtime_ns);
  demand.server_full_ever = std::max(demand.server_full_ever, demand.server_full);
  ReadWindow(snapshots, current, sums, &demand);
  return demand;
}

}  // namespace pqleash::reporter
