// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>

#include "reporter/duration.h"
#include "reporter/findings/detector.h"
#include "reporter/findings/service.h"

namespace pqleash::reporter {
namespace {

// Whether every connection of the place is stuck: whoever needs one waits in vain, and a full
// minute is not waited for to say so.
bool AllStuck(const Observation& observation, const CallSiteGroup& group) {
  const Thresholds& thresholds = observation.thresholds;
  uint64_t open = 0;
  const Picked stuck =
      Pick(observation, group, [&](const Snapshot& snapshot, const Connection& connection) {
        open += IsOpen(connection);
        return IsStuck(snapshot, connection, thresholds.all_stuck_idle_ns);
      });
  return stuck.count == open && open >= thresholds.all_stuck;
}

}  // namespace

// A transaction that nobody works in keeps its locks, and keeps vacuum from removing rows anywhere
// in the database.
std::vector<Finding> FindIdleInTransaction(const Observation& observation) {
  std::vector<Finding> findings;
  const Thresholds& thresholds = observation.thresholds;
  for (const CallSiteGroup& group : observation.call_sites) {
    const bool all = AllStuck(observation, group);
    const uint64_t threshold =
        all ? std::min(thresholds.all_stuck_idle_ns, thresholds.transaction_idle_ns)
            : thresholds.transaction_idle_ns;
    uint64_t failed = 0;
    const Picked picked =
        Pick(observation, group, [&](const Snapshot& snapshot, const Connection& connection) {
          const bool idle = IsStuck(snapshot, connection, threshold);
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
    if (all) {
      finding.answer = {
          Answer::Verdict::kLeak,
          fmt::format("Leak, not a small limit: all {} {} are inside of transactions that nobody "
                      "has worked in for up to {}, and were never given back",
                      Count(picked.count, "connection"), OpenedBy(observation, group),
                      HumanDuration(picked.longest_idle_ns))};
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
