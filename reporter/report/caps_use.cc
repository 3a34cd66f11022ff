// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/caps_use.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "reporter/snapshot/connection_times.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

uint64_t CountIn(const caps::Policy& policy, const Snapshot& snapshot) {
  uint64_t count = 0;
  for (const Connection& connection : snapshot.connections) {
    if (!IsOpen(connection)) continue;
    const Target& target = snapshot.targets[connection.target];
    const std::string port = target.port == 0 ? "" : std::to_string(target.port);
    const caps::Endpoint endpoint = {target.host.c_str(), port.c_str(), target.dbname.c_str(),
                                     target.user.c_str(), target.application_name.c_str()};
    count += caps::Matches(policy, &endpoint, snapshot.call_sites[connection.call_site].id);
  }
  return count;
}

// Ten seconds of what is counted together.
struct Period {
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t open_peak = 0;
};
using Periods = std::map<uint64_t, Period>;

void AddHistory(const Snapshot& snapshot, Periods* periods) {
  for (const HistoryPeriod& happened : snapshot.history) {
    Period& period = (*periods)[happened.period];
    period.opened += happened.opened;
    period.closed += happened.closed;
    period.open_peak += happened.open_peak;
  }
}

// Of a cap: `open` now, and back from there. Where fewer than the limit were open neither at the
// begin nor at the end of a period, all of its connects are beyond it; else those that made the
// peak.
uint64_t HeldByCap(const Periods& periods, uint64_t open, uint64_t limit) {
  uint64_t held = 0;
  uint64_t end = open;
  for (auto at = periods.rbegin(); at != periods.rend(); ++at) {
    const Period& period = at->second;
    const uint64_t begin = Since(end + period.closed, period.opened);
    held += std::min(begin, end) >= limit ? period.opened
                                          : std::min(period.opened, Since(period.open_peak, limit));
    end = begin;
  }
  return held;
}

uint64_t HeldByPace(const Periods& periods, const caps::Rule& rule) {
  if (rule.interval_ns == 0) return 0;
  const uint64_t admitted = kHistoryPeriodNs / rule.interval_ns + rule.burst;
  uint64_t held = 0;
  for (const auto& [number, period] : periods) held += Since(period.opened, admitted);
  return held;
}

uint64_t HeldIn(const caps::Policy& policy, const Periods& periods, uint64_t open) {
  return policy.kind == caps::kPace ? HeldByPace(periods, policy.rule)
                                    : HeldByCap(periods, open, policy.rule.limit);
}

const char* WhatHappens(const caps::Rule& rule) {
  return rule.on_limit == caps::kWait ? "wait" : "be refused";
}

}  // namespace

CapsUse CapsUseOf(const caps::Policy& policy, const std::vector<Snapshot>& processes) {
  CapsUse use;
  use.processes = processes.size();
  const bool each = policy.scope == caps::kScopeProcess;
  for (const Snapshot& snapshot : processes) {
    const uint64_t count = CountIn(policy, snapshot);
    use.open = each ? std::max(use.open, count) : use.open + count;
    use.processes_at_limit += each && count >= policy.rule.limit;
  }
  if (!each && use.open >= policy.rule.limit) use.processes_at_limit = use.processes;
  return use;
}

bool HoldsAll(const caps::Policy& policy, const CapsUse& use) {
  return policy.kind == caps::kCap && policy.rule.on_limit != caps::kWarn && use.processes != 0 &&
         use.open >= policy.rule.limit;
}

std::string WhyItHoldsAll(const caps::Policy& policy, const CapsUse& use) {
  const bool each = policy.scope == caps::kScopeProcess;
  std::string where;
  if (each && use.processes > 1) {
    where = fmt::format(" in {} of {} processes", use.processes_at_limit, use.processes);
  }
  return fmt::format("{}{} {} open{} and the limit is {}, so that every next connect{} would {}",
                     each && use.processes > 1 ? "up to " : "", use.open,
                     use.open == 1 ? "is" : "are", where, policy.rule.limit,
                     where.empty() ? "" : " there", WhatHappens(policy.rule));
}

WouldHold WouldHaveHeld(const caps::Policy& policy, const std::vector<Snapshot>& processes) {
  WouldHold would;
  would.of_all = policy.call_site != 0 || caps::HasTarget(policy);
  Periods all;
  uint64_t open = 0;
  for (const Snapshot& snapshot : processes) {
    Periods own;
    AddHistory(snapshot, &own);
    if (policy.scope == caps::kScopeProcess)
      would.held += HeldIn(policy, own, snapshot.totals.open);
    AddHistory(snapshot, &all);
    open += snapshot.totals.open;
    if (!snapshot.history.empty()) {
      const uint64_t oldest = std::max(snapshot.history.front().period * kHistoryPeriodNs,
                                       snapshot.process.created_monotonic_ns);
      would.since_ns = std::max(would.since_ns, Since(snapshot.as_of_ns, oldest));
    }
  }
  if (policy.scope != caps::kScopeProcess) would.held = HeldIn(policy, all, open);
  for (const auto& [number, period] : all) would.connects += period.opened;
  return would;
}

std::string DescribeWouldHold(const WouldHold& would) {
  if (would.connects == 0) return "no connect is known that it would have held";
  return fmt::format(
      "would have held {}{} of the last {} connects ({}{})", would.held == 0 ? "" : "at least ",
      would.held == 0 ? std::string("none") : std::to_string(would.held), would.connects,
      HumanDuration(would.since_ns),
      would.of_all ? "; the history has all of a process's, whatever the target" : "");
}

}  // namespace pqleash::reporter
