// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/last_taken.h"
#include "reporter/findings/service.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kWindow = 3;  // periods
constexpr uint64_t kStuckNs = 5 * kSecond;

// What part of their lives the connections of the place were in use.
double LifeShare(const Place& place) {
  double busy = 0;
  double held = 0;
  for (const Held& open : place.open) {
    const uint64_t as_of = open.snapshot->as_of_ns;
    busy += static_cast<double>(open.connection->busy_ns + InUseNs(*open.connection, as_of));
    held += static_cast<double>(Since(as_of, open.connection->established_ns));
  }
  return held == 0 ? 0 : std::min(1.0, busy / held);
}

// Whether most of what the service holds and works with is of this place, so that what is known of
// the service's last minutes is true of it.
bool IsMostOf(const Service& service, const Place& place) {
  uint64_t worked_with = 0;
  for (const Place& other : service.places) {
    worked_with += static_cast<uint64_t>(std::count_if(
        other.open.begin(), other.open.end(),
        [&](const Held& open) { return IsWorkedWith(open, RecentNs(service, kWindow)); }));
  }
  return 10 * place.open.size() >= 9 * worked_with;
}

// Connections of the place that nobody can have any more: in a transaction, without work.
uint64_t StuckIn(const Place& place) {
  return static_cast<uint64_t>(std::count_if(
      place.open.begin(), place.open.end(),
      [](const Held& open) { return IsStuck(*open.snapshot, *open.connection, kStuckNs); }));
}

// It opens none, as a pool at its limit does: those that it has were opened before the window.
bool IsSteady(const Service& service, const Place& place, const Thresholds& thresholds) {
  return std::all_of(place.open.begin(), place.open.end(), [&](const Held& open) {
    return Since(service.as_of_ns, open.connection->established_ns) >= thresholds.settled_ns;
  });
}

// Without the connections that are the only ones of their process: a worker with one of its own is
// busy, and waits for none.
Place WithoutSingles(const Place& place) {
  std::map<const Snapshot*, uint64_t> held;
  for (const Held& open : place.open) ++held[open.snapshot];
  Place pooled = place;
  std::erase_if(pooled.open, [&](const Held& open) { return held[open.snapshot] < 2; });
  return pooled;
}

// Whether connections of the place are used again and again within the window, rather than for one
// long piece of work each.
bool TakeTurns(const Place& place, const Thresholds& thresholds) {
  constexpr uint64_t kWindowNs = kWindow * kHistoryPeriodNs;
  uint64_t uses = 0;
  uint64_t busy_ns = 0;
  for (const Held& open : place.open) {
    const auto& counts = open.connection->use_counts;
    uses += std::accumulate(counts.begin(), counts.end(), uint64_t{0});
    busy_ns += open.connection->busy_ns;
  }
  return uses != 0 && thresholds.uses_per_connection * (busy_ns / uses) <= kWindowNs;
}

// A pool at its limit, and how that is known.
struct Saturation {
  double busy = 0;                    // what part of the time its connections were in use
  std::optional<double> handed_over;  // what part of its turns had been waited for
};

// nullopt: that is no pool at its limit.
std::optional<Saturation> SaturationOf(const Service& service, const Place& place,
                                       const Thresholds& thresholds) {
  const uint64_t open = place.open.size();
  if (open < thresholds.saturated_connections) return std::nullopt;
  if (!IsSteady(service, place, thresholds) || 2 * StuckIn(place) >= open) return std::nullopt;
  const Activity recent = Recent(service, kWindow);
  // Where the server is full, no limit of the program's own is what keeps it from more.
  if (recent.uses < thresholds.uses_per_connection * open || recent.server_full != 0 ||
      !TakeTurns(place, thresholds)) {
    return std::nullopt;
  }
  const double busy = IsMostOf(service, place) ? BusyShare(service, kWindow) : LifeShare(place);
  if (const std::optional<double> share = HandoverShare(service, kWindow)) {
    if (*share < thresholds.handed_over_share) return std::nullopt;
    return Saturation{busy, share};
  }
  // Who waits cannot be seen. Threads that have a connection each wait for none; tasks of one
  // thread are judged by the time that is spent in uses.
  if (!IsOfOneThread(place) || place.in_use_peak < open || busy < thresholds.saturated_share)
    return std::nullopt;
  return Saturation{busy, std::nullopt};
}

// 'in use 40 % of the last 30 s, and 80 % of their turns had been waited for'
std::string Occupied(const Service& service, const Saturation& saturation) {
  std::string text = fmt::format("in use {} of the last {}", Percent(saturation.busy),
                                 HumanDuration(RecentNs(service, kWindow)));
  if (saturation.handed_over)
    text += fmt::format(", and {} of their turns had been waited for",
                        Percent(*saturation.handed_over));
  return text;
}

Finding Describe(const Observation& observation, const Service& service, const Place& place,
                 const Saturation& saturation) {
  const uint64_t open = place.open.size();
  const uint64_t window = RecentNs(service, kWindow);
  const Activity recent = Recent(service, kWindow);
  const std::string held_back = recent.held_back == 0
                                    ? std::string()
                                    : fmt::format(" and {} waited at a cap or were refused",
                                                  Count(recent.held_back, "connect"));
  std::set<const Connection*> held;
  for (const Held& one : place.open) held.insert(one.connection);
  const LastTakenBy taken =
      LastTakenOf(observation, *place.group, [&](const GroupedConnection& grouped) {
        return held.contains(
            &observation.snapshots[grouped.snapshot].connections[grouped.connection]);
      });
  Finding finding;
  finding.confidence = Confidence::kLikely;
  finding.summary =
      fmt::format("all {} of {}, {}{} were {}{}, while the server refused none",
                  Count(open, "connection"), Named(service), OpenedBy(observation, *place.group),
                  taken ? TakenClause(taken) : ",", Occupied(service, saturation), held_back);
  finding.call_site = place.group->id;
  finding.evidence = {
      InConnections("open", open),
      InConnections("in_use_at_once_at_most", place.in_use_peak),
      {"busy", ToTenths(saturation.busy * 100), "%"},
      {"turns_waited_for", ToTenths(saturation.handed_over.value_or(0) * 100), "%"},
      {"uses_per_second", window == 0 ? 0 : static_cast<double>(recent.uses * kSecond / window),
       "uses/s"},
      InSeconds("usual_use", recent.uses == 0 ? 0 : recent.busy_ns / recent.uses),
      InConnections("held_back_by_caps", recent.held_back),
      InConnections("refused_by_the_server", recent.server_full)};
  finding.advice =
      "raise the limit of the pool that opens them as far as the server has free slots "
      "(max_connections), or shorten what is done while a connection is held; if the usual use "
      "takes longer than it did, look at the server first: a lock or a slow query has the same "
      "look";
  finding.connections = open;
  finding.answer = {
      Answer::Verdict::kTooSmall,
      fmt::format("Too small a limit, no leak: {} of {}, {}, in use {}{}",
                  Count(open, "connection"), Named(service),
                  TakenOr(taken, OpenedBy(observation, *place.group)), Percent(saturation.busy),
                  saturation.handed_over
                      ? fmt::format(", {} of turns waited for", Percent(*saturation.handed_over))
                      : std::string())};
  AddLastTaken(observation, taken, &finding);
  return finding;
}

struct Load {
  uint64_t open = 0;
  uint64_t in_use = 0;
};

// Connections of the cap's holders, and how many of them are at work at this moment.
Load LoadOf(const Observation& observation, const CapsPolicy& cap) {
  std::set<uint64_t> sites;
  for (const CapsHolder& holder : cap.holders) sites.insert(holder.call_site);
  Load load;
  for (const CallSiteGroup& group : observation.call_sites) {
    if (!sites.contains(group.id)) continue;
    for (const GroupedConnection& place : group.connections) {
      const Snapshot& snapshot = observation.snapshots[place.snapshot];
      const Connection& connection = snapshot.connections[place.connection];
      if (!IsOpen(connection)) continue;
      ++load.open;
      load.in_use += connection.busy_since_ns != 0 && !IsStuck(snapshot, connection, kStuckNs);
    }
  }
  return load;
}

// A cap whose queue is never empty, while those that it has let in do work.
void FindAtCaps(const Observation& observation, std::vector<Finding>* findings) {
  const Thresholds& thresholds = observation.thresholds;
  for (const CapsPolicy& cap : observation.caps) {
    const PolicyCounters& counters = cap.policy.counters;
    if (counters.waiting == 0 || cap.policy.filed.kind != caps::kCap || cap.server_full_ns ||
        cap.at_limit_ns.value_or(0) < thresholds.at_cap_ns) {
      continue;
    }
    const Load load = LoadOf(observation, cap);
    if (load.open == 0 || static_cast<double>(load.in_use) <
                              thresholds.saturated_share * static_cast<double>(load.open)) {
      continue;
    }
    const std::string said = fmt::format(
        "the cap \"{}\" of {} has been reached for {}, {} now, and {} of the {} that it let in are "
        "in use",
        cap.policy.filed.name, cap.policy.rule.limit, HumanDuration(*cap.at_limit_ns),
        counters.waiting == 1 ? std::string("1 connect waits")
                              : fmt::format("{} connects wait", counters.waiting),
        load.in_use, Count(load.open, "connection"));
    Finding finding;
    finding.confidence = Confidence::kLikely;
    finding.summary = said;
    if (cap.holders.front().call_site != 0) finding.call_site = cap.holders.front().call_site;
    finding.evidence = {InConnections("limit", cap.policy.rule.limit),
                        InConnections("open", load.open), InConnections("in_use", load.in_use),
                        InConnections("waiting", counters.waiting),
                        InSeconds("at_the_limit", *cap.at_limit_ns)};
    finding.advice = fmt::format(
        "raise it with `pqleash caps set {} --limit N` as far as the server has free slots, or "
        "shorten what is done while a connection is held",
        cap.policy.filed.name);
    finding.connections = load.open + counters.waiting;
    finding.answer = {Answer::Verdict::kTooSmall, "Too small a limit, no leak: " + said};
    findings->push_back(std::move(finding));
  }
}

}  // namespace

// Too few connections for the work. What has begun to be too few with a rise of the demand, or
// since the server takes longer for the same work, is left to those findings.
std::vector<Finding> FindSaturated(const Observation& observation) {
  std::vector<Finding> findings;
  const std::set<uint64_t> leaks = LeakSites(observation);
  std::set<uint64_t> spikes = SitesOf(FindDemandSpikes(observation));
  spikes.merge(SitesOf(FindLockWaits(observation)));
  for (const Service& service : ServicesOf(observation)) {
    for (const Place& place : service.places) {
      if (leaks.contains(place.group->id) || spikes.contains(place.group->id)) continue;
      const Place pooled = WithoutSingles(place);
      const auto saturation = SaturationOf(service, pooled, observation.thresholds);
      if (saturation) findings.push_back(Describe(observation, service, pooled, *saturation));
    }
  }
  FindAtCaps(observation, &findings);
  return findings;
}

}  // namespace pqleash::reporter
