// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "reporter/duration.h"
#include "reporter/findings/detector.h"
#include "reporter/findings/service.h"

namespace pqleash::reporter {
namespace {

// 'Far below': fewer than one in ten that were opened was ever closed.
bool HardlyEverCloses(const CallSite& site) {
  return site.closed < site.opened / 10 || site.closed == 0;
}

bool Over(const Snapshot& snapshot) {
  return snapshot.process.life == Life::kEnded || snapshot.process.life == Life::kKilled;
}

using Connections = std::vector<const Connection*>;

// Connections that were used for the last time before the newest one was opened. A pool opens
// another only while those that it has are at work; code that has lost its connections opens
// another beside them.
uint64_t LeftBehind(const Connections& open) {
  uint64_t newest = 0;
  for (const Connection* connection : open) newest = std::max(newest, connection->opened_ns);
  return static_cast<uint64_t>(
      std::count_if(open.begin(), open.end(), [&](const Connection* connection) {
        return LastUseNs(*connection) <= newest && connection->opened_ns < newest;
      }));
}

// A place that never closes: all of its connections, when all have been idle for `threshold`.
Connections NeverClosed(const Snapshot& snapshot, const CallSite& site, const Connections& open,
                        uint64_t threshold) {
  if (open.empty() || !HardlyEverCloses(site)) return {};
  const bool all_idle = std::all_of(open.begin(), open.end(), [&](const Connection* connection) {
    return connection->in_call.empty() && IdleNs(*connection, snapshot.as_of_ns) >= threshold;
  });
  if (!all_idle) return {};
  const bool grows =
      open.size() >= 2 && 2 * LeftBehind(open) >= open.size() - 1 && LeftBehind(open) >= 1;
  return Over(snapshot) || grows ? open : Connections();
}

// A place that closes as a rule, and left some behind, on an error path say: those that have been
// idle for many times the life that its connections usually have, and since before it opened its
// latest one.
Connections Outlived(const Snapshot& snapshot, const CallSite& site, const Connections& open,
                     uint64_t threshold) {
  constexpr uint64_t kMinClosed = 10;  // before that there is no 'usually'
  constexpr uint64_t kManyTimes = 20;
  if (site.closed < kMinClosed) return {};
  const uint64_t idle = std::max(threshold, kManyTimes * site.UsualLifeNs());
  Connections outlived;
  std::copy_if(
      open.begin(), open.end(), std::back_inserter(outlived), [&](const Connection* connection) {
        return connection->in_call.empty() && IdleNs(*connection, snapshot.as_of_ns) >= idle &&
               LastUseNs(*connection) < site.last_ns;
      });
  return outlived.size() >= 2 || Over(snapshot) ? outlived : Connections();
}

// Connections of a place to one target: a pool for each tenant is many pools.
std::map<uint32_t, Connections> ByTarget(const Connections& open) {
  std::map<uint32_t, Connections> by_target;
  for (const Connection* connection : open) by_target[connection->target].push_back(connection);
  return by_target;
}

// Of a place that keeps or closes: those that were used for the last time before others were
// opened beside them, which no pool does: it opens another only when all that it has are taken.
Connections LeftBehindBy(const Snapshot& snapshot, const CallSite& site, const Connections& open,
                         uint64_t idle) {
  constexpr ptrdiff_t kNewer = 2;  // one may have been on its way when another came free
  std::vector<uint64_t> opened;
  for (const Connection* connection : open) opened.push_back(connection->opened_ns);
  std::sort(opened.begin(), opened.end());
  const bool closes = 2 * site.closed > site.opened;
  Connections left;
  std::copy_if(
      open.begin(), open.end(), std::back_inserter(left), [&](const Connection* connection) {
        const uint64_t last = LastUseNs(*connection);
        const bool behind =
            closes ? last < site.last_ns
                   : opened.end() - std::upper_bound(opened.begin(), opened.end(), last) >= kNewer;
        return behind && connection->in_call.empty() &&
               connection->transaction != Transaction::kActive &&
               IdleNs(*connection, snapshot.as_of_ns) >= idle;
      });
  return left;
}

// What one process of a place has left behind of late.
struct Growth {
  Connections left;
  std::set<uint64_t> moments;  // seconds in which connections of `left` were opened
};

// A place that opens again and again beside connections that it never comes back to: no need to
// wait until these have been idle for long. Not by age: what was left behind has been passed over.
Growth GrowthOf(const Snapshot& snapshot, const CallSite& site, const Connections& open,
                const Thresholds& thresholds) {
  constexpr uint64_t kMinClosed = 10;  // before that there is no 'usually'
  constexpr uint64_t kManyTimes = 20;
  const bool closes = 2 * site.closed > site.opened;
  if (closes && site.closed < kMinClosed) return {};
  const uint64_t idle = std::max(thresholds.left_behind_idle_ns,
                                 closes ? kManyTimes * site.UsualLifeNs() : uint64_t{0});
  Growth growth;
  for (const auto& [target, connections] : ByTarget(open)) {
    uint64_t newest = closes ? site.last_ns : 0;
    uint64_t stuck = 0;
    for (const Connection* connection : connections) {
      newest = std::max(newest, connection->opened_ns);
      stuck += IsStuck(snapshot, *connection, idle);
    }
    if (Since(snapshot.as_of_ns, newest) > thresholds.growth_recent_ns) continue;
    // A place that needed all of them at once has them for that. Those that are stuck in a
    // transaction count as in use, and are not.
    const uint64_t needed = site.in_use_peak > stuck ? site.in_use_peak - stuck : 0;
    if (!closes && 2 * needed > connections.size()) continue;
    const Connections left = LeftBehindBy(snapshot, site, connections, idle);
    uint64_t oldest = newest;
    for (const Connection* connection : left) oldest = std::min(oldest, connection->opened_ns);
    if (left.size() < 2 || newest - oldest < thresholds.growth_span_ns) continue;
    for (const Connection* connection : left) {
      growth.left.push_back(connection);
      growth.moments.insert(connection->opened_ns / kSecond);
    }
  }
  return growth;
}

// How many must be left behind before that is no coincidence.
uint64_t EnoughOf(const Connections& left, const Thresholds& thresholds) {
  std::set<int32_t> threads;
  uint64_t never_used = 0;
  for (const Connection* connection : left) {
    threads.insert(connection->tid);
    never_used += connection->commands == 0;
  }
  if (left.size() > 1 && threads.size() == left.size()) return thresholds.left_behind_of_threads;
  return 2 * never_used > left.size() ? thresholds.left_behind_never_used : thresholds.left_behind;
}

std::string UsualLife(uint64_t life_ns) {
  if (life_ns < kMillisecond) return "less than 1 ms";
  return life_ns < kSecond ? fmt::format("{} ms", life_ns / kMillisecond) : HumanDuration(life_ns);
}

// How the place otherwise lets go of its connections, in words.
std::string Release(uint64_t opened, uint64_t closed, uint64_t life_ns) {
  if (closed == 0) return fmt::format("none of {} opened was ever closed", opened);
  if (closed < opened / 10)
    return fmt::format("only {} of {} opened were ever closed", closed, opened);
  return fmt::format("the other {} of {} opened were closed after {} as a rule", closed, opened,
                     UsualLife(life_ns / closed));
}

// What is suspected of one call site, in all its processes.
struct Suspicion {
  Picked picked;
  bool grows = false;  // judged by growth, else by how long they have been idle
  uint64_t left_behind = 0;
  uint64_t open = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t life_ns = 0;
  uint64_t in_use_peak = 0;
  uint64_t stuck = 0;  // in a transaction that nobody works in: counted as in use
  uint64_t beside_idle = 0;
  uint64_t processes = 0;
  std::set<std::string> services;
};

void Add(const Snapshot& snapshot, const CallSite& site, const Connections& open,
         const Connections& leaked, Suspicion* suspicion) {
  ++suspicion->processes;
  suspicion->open += open.size();
  suspicion->opened += site.opened;
  suspicion->closed += site.closed;
  suspicion->life_ns += site.closed_life_ns;
  suspicion->left_behind += LeftBehind(open);
  suspicion->in_use_peak += site.in_use_peak;
  suspicion->beside_idle += site.opened_beside_idle;
  for (const Connection* connection : open) {
    suspicion->stuck += IsStuck(snapshot, *connection, kSecond);
  }
  suspicion->services.insert(snapshot.process.service);
  suspicion->picked.count += leaked.size();
  for (const Connection* connection : leaked) {
    suspicion->picked.longest_idle_ns =
        std::max(suspicion->picked.longest_idle_ns, IdleNs(*connection, snapshot.as_of_ns));
  }
}

Suspicion Suspect(const Observation& observation, const CallSiteGroup& group) {
  const Thresholds& thresholds = observation.thresholds;
  std::map<size_t, Connections> open;  // by snapshot
  std::set<const Connection*> lost;    // in a finding of their own
  for (const GroupedConnection& place : group.connections) {
    const Connection& connection =
        observation.snapshots[place.snapshot].connections[place.connection];
    if (IsOpen(connection)) open[place.snapshot].push_back(&connection);
    if (IsLost(ReachAt(observation, place))) lost.insert(&connection);
  }
  const auto without_lost = [&](Connections connections) {
    std::erase_if(connections,
                  [&](const Connection* connection) { return lost.contains(connection); });
    return connections;
  };
  Suspicion idle;
  Suspicion growing;
  growing.grows = true;
  Connections left;
  std::set<uint64_t> moments;
  for (const CallSiteMember& member : group.members) {
    const Snapshot& snapshot = observation.snapshots[member.snapshot];
    const CallSite& site = snapshot.call_sites[member.call_site];
    const Connections& held = open[member.snapshot];
    Connections leaked = NeverClosed(snapshot, site, held, thresholds.min_idle_ns);
    if (leaked.empty()) leaked = Outlived(snapshot, site, held, thresholds.min_idle_ns);
    leaked = without_lost(std::move(leaked));
    if (!leaked.empty()) Add(snapshot, site, held, leaked, &idle);
    Growth growth = GrowthOf(snapshot, site, held, thresholds);
    growth.left = without_lost(std::move(growth.left));
    if (growth.left.empty()) continue;
    Add(snapshot, site, held, growth.left, &growing);
    left.insert(left.end(), growth.left.begin(), growth.left.end());
    moments.insert(growth.moments.begin(), growth.moments.end());
  }
  const bool grows =
      left.size() >= EnoughOf(left, thresholds) && moments.size() >= thresholds.growth_moments;
  if (!grows) return idle;
  return idle.picked.count >= growing.picked.count ? idle : growing;
}

// The most that were worked with at once, as far as can be told.
uint64_t NeededAtOnce(const Suspicion& suspicion) {
  return suspicion.in_use_peak > suspicion.stuck ? suspicion.in_use_peak - suspicion.stuck : 1;
}

// 'at most 2 were ever in use at once'
std::string AtOnce(const Suspicion& suspicion, const std::string& of) {
  const uint64_t needed = NeededAtOnce(suspicion);
  return fmt::format("at most {}{} {} ever {} at once", needed, of, needed == 1 ? "was" : "were",
                     suspicion.stuck == 0 ? "in use" : "worked with");
}

std::string Names(const std::set<std::string>& services) {
  if (services.size() == 1) return *services.begin();
  return fmt::format("{} services", services.size());
}

std::string Summary(const Observation& observation, const CallSiteGroup& group,
                    const Suspicion& suspicion) {
  const std::string what = fmt::format("{} {}", Count(suspicion.picked.count, "connection"),
                                       OpenedBy(observation, group));
  const std::string release = Release(suspicion.opened, suspicion.closed, suspicion.life_ns);
  if (!suspicion.grows) {
    return fmt::format("{}: none used for {} or more, and {}", what,
                       HumanDuration(observation.thresholds.min_idle_ns), release);
  }
  return fmt::format(
      "{} and never touched again while newer ones were opened beside them: {}, and {}", what,
      AtOnce(suspicion, fmt::format(" of {} open there", suspicion.open)), release);
}

Finding Describe(const Observation& observation, const CallSiteGroup& group,
                 const Suspicion& suspicion) {
  const uint64_t closed = suspicion.closed;
  Finding finding;
  finding.confidence = Confidence::kLikely;
  finding.summary = Summary(observation, group, suspicion);
  finding.call_site = group.id;
  finding.evidence = {
      InConnections("open", suspicion.picked.count),
      InConnections("opened", suspicion.opened),
      InConnections("closed", closed),
      InConnections("unused_since_before_a_newer_one_was_opened", suspicion.left_behind),
      InConnections("opened_beside_an_idle_one", suspicion.beside_idle),
      InConnections("in_use_at_once_at_most", suspicion.in_use_peak),
      InSeconds("longest_idle", suspicion.picked.longest_idle_ns),
      {"processes", static_cast<double>(suspicion.processes), "processes"}};
  if (closed > 0) finding.evidence.push_back(InSeconds("usual_life", suspicion.life_ns / closed));
  finding.advice =
      "find the path on which the connection opened here is neither closed (PQfinish) nor given "
      "back to its pool: an early return, an exception, an object that is overwritten or kept in "
      "a "
      "container that only grows";
  finding.connections = suspicion.picked.count;
  finding.answer = {
      Answer::Verdict::kLeak,
      fmt::format(
          "Leak, not a small limit: {} holds {}, of which {}, and {} {} never touched again{}, "
          "{}",
          Names(suspicion.services), Count(suspicion.open, "connection"), AtOnce(suspicion, ""),
          suspicion.picked.count, suspicion.picked.count == 1 ? "was" : "were",
          suspicion.stuck == 0 ? std::string()
                               : fmt::format(" ({} are inside of a transaction)", suspicion.stuck),
          OpenedBy(observation, group))};
  return finding;
}

}  // namespace

// Judged by last use and by growth without release, never by age alone: a pool's connections are
// old, too.
std::vector<Finding> FindLeakSuspects(const Observation& observation) {
  std::vector<Finding> findings;
  for (const CallSiteGroup& group : observation.call_sites) {
    if (group.id == 0) continue;  // many places at once: says nothing about any of them
    const Suspicion suspicion = Suspect(observation, group);
    if (suspicion.picked.count != 0) findings.push_back(Describe(observation, group, suspicion));
  }
  return findings;
}

}  // namespace pqleash::reporter
