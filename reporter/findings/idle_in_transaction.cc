// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include "reporter/duration.h"
#include "reporter/findings/detector.h"

namespace pqleash::reporter {
namespace {

bool InTransaction(const Connection& connection) {
  return connection.state == ConnectionState::kEstablished &&
         (connection.transaction == Transaction::kOpen ||
          connection.transaction == Transaction::kFailed);
}

}  // namespace

// A transaction that nobody works in keeps its locks, and keeps vacuum from removing rows anywhere
// in the database.
std::vector<Finding> FindIdleInTransaction(const Observation& observation) {
  std::vector<Finding> findings;
  const uint64_t threshold = observation.thresholds.transaction_idle_ns;
  for (const CallSiteGroup& group : observation.call_sites) {
    uint64_t failed = 0;
    const Picked picked =
        Pick(observation, group, [&](const Snapshot& snapshot, const Connection& connection) {
          const bool idle = InTransaction(connection) && connection.in_call.empty() &&
                            IdleNs(connection, snapshot.as_of_ns) >= threshold;
          failed += idle && connection.transaction == Transaction::kFailed;
          return idle;
        });
    if (picked.count == 0) continue;
    Finding finding;
    finding.confidence = Confidence::kProven;
    finding.summary = fmt::format("{} {}, unused for up to {} inside of a transaction",
                                  Count(picked.count, "connection"), OpenedBy(observation, group),
                                  HumanDuration(picked.longest_idle_ns));
    finding.call_site = group.id;
    finding.evidence = {InConnections("idle_in_transaction", picked.count),
                        InConnections("of_these_failed", failed),
                        InSeconds("longest_idle", picked.longest_idle_ns),
                        InSeconds("threshold", threshold)};
    finding.advice =
        "find the path after this connect that begins a transaction and neither commits nor rolls "
        "back (an early return, an exception, a wait for something else); until it is fixed, "
        "idle_in_transaction_session_timeout on the server ends such sessions";
    finding.connections = picked.count;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
