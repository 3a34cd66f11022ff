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

}  // namespace

// Judged by last use and by growth without release, never by age alone: a pool's connections are
// old, too.
std::vector<Finding> FindLeakSuspects(const Observation& observation) {
  std::vector<Finding> findings;
  const uint64_t threshold = observation.thresholds.min_idle_ns;
  for (const CallSiteGroup& group : observation.call_sites) {
    if (group.id == 0) continue;         // many places at once: says nothing about any of them
    std::map<size_t, Connections> open;  // by snapshot
    std::set<const Connection*> lost;    // in a finding of their own
    for (const GroupedConnection& place : group.connections) {
      const Connection& connection =
          observation.snapshots[place.snapshot].connections[place.connection];
      if (IsOpen(connection)) open[place.snapshot].push_back(&connection);
      if (IsLost(ReachAt(observation, place))) lost.insert(&connection);
    }
    Picked suspects;
    uint64_t left_behind = 0;
    uint64_t opened = 0;
    uint64_t closed = 0;
    uint64_t life_ns = 0;
    uint64_t processes = 0;
    for (const CallSiteMember& member : group.members) {
      const Snapshot& snapshot = observation.snapshots[member.snapshot];
      const CallSite& site = snapshot.call_sites[member.call_site];
      const Connections& held = open[member.snapshot];
      Connections leaked = NeverClosed(snapshot, site, held, threshold);
      if (leaked.empty()) leaked = Outlived(snapshot, site, held, threshold);
      std::erase_if(leaked,
                    [&](const Connection* connection) { return lost.contains(connection); });
      if (leaked.empty()) continue;
      ++processes;
      opened += site.opened;
      closed += site.closed;
      life_ns += site.closed_life_ns;
      left_behind += LeftBehind(held);
      suspects.count += leaked.size();
      for (const Connection* connection : leaked) {
        suspects.longest_idle_ns =
            std::max(suspects.longest_idle_ns, IdleNs(*connection, snapshot.as_of_ns));
      }
    }
    if (suspects.count == 0) continue;
    Finding finding;
    finding.confidence = Confidence::kLikely;
    finding.summary = fmt::format("{} {}: none used for {} or more, and {}",
                                  Count(suspects.count, "connection"), OpenedBy(observation, group),
                                  HumanDuration(threshold), Release(opened, closed, life_ns));
    finding.call_site = group.id;
    finding.evidence = {InConnections("open", suspects.count),
                        InConnections("opened", opened),
                        InConnections("closed", closed),
                        InConnections("unused_since_before_a_newer_one_was_opened", left_behind),
                        InSeconds("longest_idle", suspects.longest_idle_ns),
                        {"processes", static_cast<double>(processes), "processes"}};
    if (closed > 0) finding.evidence.push_back(InSeconds("usual_life", life_ns / closed));
    finding.advice =
        "find the path on which the connection opened here is neither closed (PQfinish) nor given "
        "back to its pool: an early return, an exception, an object that is overwritten or kept in "
        "a "
        "container that only grows";
    finding.connections = suspects.count;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
