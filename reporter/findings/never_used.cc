// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include "reporter/findings/detector.h"
#include "reporter/findings/lines.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {

// A slot of the server that nobody needed. Likely, not proven: a pool may hold a reserve on
// purpose.
std::vector<Finding> FindNeverUsed(const Observation& observation) {
  std::vector<Finding> findings;
  // The more telling finding says how many of its connections were never used.
  const std::set<uint64_t> leaks = LeakSites(observation);
  const std::set<uint64_t> too_many = SitesOf(FindOverProvisioned(observation));
  const auto pick = [&](const CallSiteGroup& group) {
    return Pick(observation, group, [&](const Snapshot& snapshot, const Connection& connection) {
      return connection.state == ConnectionState::kEstablished && connection.commands == 0 &&
             !connection.adopted && connection.in_call.empty() &&
             AgeNs(connection, snapshot.as_of_ns) >= observation.thresholds.never_used_age_ns;
    });
  };
  const auto lines = FaultyLines(observation, [&](const CallSiteGroup& group) {
    return !leaks.contains(group.id) && !too_many.contains(group.id) && pick(group).count != 0;
  });
  for (const FaultyLine& line : lines) {
    const Picked picked = pick(line.sum);
    Finding finding;
    finding.confidence = Confidence::kLikely;
    finding.summary =
        fmt::format("{} {}: no command was sent in up to {}", Count(picked.count, "connection"),
                    OpenedBy(observation, line.sites), HumanDuration(picked.oldest_age_ns));
    SetSites(line, &finding);
    finding.evidence = {InConnections("never_used", picked.count),
                        InConnections("open", line.sum.open),
                        InSeconds("oldest", picked.oldest_age_ns)};
    finding.advice =
        "connect when the first command is due, or lower the number of connections that the pool "
        "opens in advance";
    finding.connections = picked.count;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
