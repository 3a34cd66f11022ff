// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include "reporter/duration.h"
#include "reporter/findings/detector.h"

namespace pqleash::reporter {

// libpq has seen the end of the connection, and the program keeps the handle: it will fail at the
// next use, and a pool that counts it as one of its own has one less than it thinks.
std::vector<Finding> FindServerClosed(const Observation& observation) {
  std::vector<Finding> findings;
  for (const CallSiteGroup& group : observation.call_sites) {
    const Picked picked =
        Pick(observation, group, [&](const Snapshot& snapshot, const Connection& connection) {
          return connection.state == ConnectionState::kBroken && connection.in_call.empty() &&
                 (HasEnded(snapshot) ||
                  IdleNs(connection, snapshot.as_of_ns) >= observation.thresholds.min_age_ns);
        });
    if (picked.count == 0) continue;
    Finding finding;
    finding.confidence = Confidence::kProven;
    finding.summary =
        fmt::format("{} {}: the server has closed {}, and the program has kept {} for up to {}",
                    Count(picked.count, "connection"), OpenedBy(observation, group),
                    picked.count == 1 ? "it" : "them", picked.count == 1 ? "it" : "them",
                    HumanDuration(picked.longest_idle_ns));
    finding.call_site = group.id;
    finding.evidence = {InConnections("closed_by_server", picked.count),
                        InSeconds("longest_kept", picked.longest_idle_ns)};
    finding.advice =
        "check PQstatus when a command fails, and close or reset the connection there; look in the "
        "server's log for the reason (restart, idle_session_timeout, pg_terminate_backend, a "
        "firewall)";
    finding.connections = picked.count;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
