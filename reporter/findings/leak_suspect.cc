// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "reporter/duration.h"
#include "reporter/findings/detector.h"

namespace pqleash::reporter {
namespace {

// 'Far below': fewer than one in ten that were opened was ever closed.
bool HardlyEverCloses(const CallSite& site) {
  return site.closed < site.opened / 10 || site.closed == 0;
}

bool IsOpen(const Connection& connection) {
  return connection.state == ConnectionState::kEstablished ||
         connection.state == ConnectionState::kResetting;
}

// The open connections of one call site in one process.
struct Holdings {
  std::vector<const Connection*> open;

  bool AllIdle(const Snapshot& snapshot, uint64_t threshold) const {
    return std::all_of(open.begin(), open.end(), [&](const Connection* connection) {
      return connection->in_call.empty() && IdleNs(*connection, snapshot.as_of_ns) >= threshold;
    });
  }

  // Connections that were used for the last time before the newest one was opened. A pool opens
  // another only while those that it has are at work; code that has lost its connections opens
  // another beside them.
  uint64_t LeftBehind() const {
    uint64_t newest = 0;
    for (const Connection* connection : open) newest = std::max(newest, connection->opened_ns);
    return static_cast<uint64_t>(
        std::count_if(open.begin(), open.end(), [&](const Connection* connection) {
          return LastUseNs(*connection) <= newest && connection->opened_ns < newest;
        }));
  }

  bool LooksLeaked(const Snapshot& snapshot, const CallSite& site, uint64_t threshold) const {
    if (open.empty() || !HardlyEverCloses(site) || !AllIdle(snapshot, threshold)) return false;
    const Life life = snapshot.process.life;
    if (life == Life::kEnded || life == Life::kKilled) return true;
    return open.size() >= 2 && 2 * LeftBehind() >= open.size() - 1 && LeftBehind() >= 1;
  }
};

}  // namespace

// Judged by last use and by growth without release, never by age alone: a pool's connections are
// old, too.
std::vector<Finding> FindLeakSuspects(const Observation& observation) {
  std::vector<Finding> findings;
  const uint64_t threshold = observation.thresholds.min_idle_ns;
  for (const CallSiteGroup& group : observation.call_sites) {
    if (group.id == 0) continue;          // many places at once: says nothing about any of them
    std::map<size_t, Holdings> holdings;  // by snapshot
    for (const GroupedConnection& place : group.connections) {
      const Connection& connection =
          observation.snapshots[place.snapshot].connections[place.connection];
      if (IsOpen(connection)) holdings[place.snapshot].open.push_back(&connection);
    }
    Picked suspects;
    uint64_t left_behind = 0;
    uint64_t opened = 0;
    uint64_t closed = 0;
    uint64_t processes = 0;
    for (const CallSiteMember& member : group.members) {
      const Snapshot& snapshot = observation.snapshots[member.snapshot];
      const CallSite& site = snapshot.call_sites[member.call_site];
      const Holdings& held = holdings[member.snapshot];
      if (!held.LooksLeaked(snapshot, site, threshold)) continue;
      ++processes;
      opened += site.opened;
      closed += site.closed;
      left_behind += held.LeftBehind();
      suspects.count += held.open.size();
      for (const Connection* connection : held.open) {
        suspects.longest_idle_ns =
            std::max(suspects.longest_idle_ns, IdleNs(*connection, snapshot.as_of_ns));
      }
    }
    if (suspects.count == 0) continue;
    Finding finding;
    finding.confidence = Confidence::kLikely;
    finding.summary =
        fmt::format("{} {}: none used for {} or more, and {} ever closed",
                    Count(suspects.count, "connection"), OpenedBy(group), HumanDuration(threshold),
                    closed == 0 ? fmt::format("none of {} opened was", opened)
                                : fmt::format("only {} of {} opened were", closed, opened));
    finding.call_site = group.id;
    finding.evidence = {InConnections("open", suspects.count),
                        InConnections("opened", opened),
                        InConnections("closed", closed),
                        InConnections("unused_since_before_a_newer_one_was_opened", left_behind),
                        InSeconds("longest_idle", suspects.longest_idle_ns),
                        {"processes", static_cast<double>(processes), "processes"}};
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
