// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "reporter/findings/detector.h"
#include "reporter/findings/idiom.h"
#include "reporter/findings/lines.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {

namespace {

// What has become of the handles since: a report says in the same place what holds each of them.
std::string Since(const Picked& picked) {
  const bool one = picked.count == 1;
  const std::string time = HumanDuration(picked.longest_idle_ns);
  if (picked.lost == picked.count) {
    return fmt::format("nothing in the program leads to {} any more: not finished for up to {}",
                       one ? "it" : "them", time);
  }
  std::string text = fmt::format("the program has kept {} for up to {}", one ? "it" : "them", time);
  if (picked.lost != 0) {
    text += fmt::format("; to {} of them nothing in it leads any more", picked.lost);
  }
  return text;
}

bool IsKeptBroken(const Connection& connection) {
  return connection.state == ConnectionState::kBroken && connection.in_call.empty();
}

// How long the program may keep a handle that libpq has seen the end of, until it tries again. One
// may wait for its time to be reset; several are a pool's that takes broken ones back.
uint64_t PatienceNs(const Observation& observation, const CallSiteGroup& group) {
  const uint64_t broken =
      Pick(observation, group, [](const Snapshot&, const Connection& connection) {
        return IsKeptBroken(connection);
      }).count;
  const Thresholds& thresholds = observation.thresholds;
  return broken < thresholds.broken_pool
             ? thresholds.min_age_ns
             : std::min(thresholds.broken_pool_ns, thresholds.min_age_ns);
}

}  // namespace

// libpq has seen the end of the connection, and the program keeps the handle: it will fail at the
// next use, and a pool that counts it as one of its own has one less than it thinks.
std::vector<Finding> FindServerClosed(const Observation& observation) {
  std::vector<Finding> findings;
  const std::set<const Connection*> lost = LostOnes(observation);
  const auto pick = [&](const CallSiteGroup& group) {
    const uint64_t patience = PatienceNs(observation, group);
    return Pick(observation, group, [&](const Snapshot& snapshot, const Connection& connection) {
      return IsKeptBroken(connection) && (HasEnded(snapshot) || lost.contains(&connection) ||
                                          IdleNs(connection, snapshot.as_of_ns) >= patience);
    });
  };
  const auto lines =
      FaultyLines(observation, [&](const CallSiteGroup& group) { return pick(group).count != 0; });
  for (const FaultyLine& line : lines) {
    const Picked picked = pick(line.sum);
    Finding finding;
    finding.confidence = Confidence::kProven;
    finding.summary = fmt::format(
        "{} {}: the server has closed {}, and {}", Count(picked.count, "connection"),
        OpenedBy(observation, line.sites), picked.count == 1 ? "it" : "them", Since(picked));
    SetSites(line, &finding);
    finding.evidence = {InConnections("closed_by_server", picked.count),
                        InSeconds("longest_kept", picked.longest_idle_ns)};
    if (picked.lost != 0) finding.evidence.push_back(InConnections("lost", picked.lost));
    finding.advice = fmt::format(
        "close or replace a connection when a command on it fails: {}; look in the server's log "
        "for the reason (restart, idle_session_timeout, pg_terminate_backend, a firewall)",
        IdiomOf(line.sum).broken);
    finding.connections = picked.count;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
