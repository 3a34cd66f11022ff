// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/failures.h"
#include "reporter/findings/service.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kWindow = 3;  // periods; of these, the last is not over yet

uint64_t FailedBy(const Activity& period) {
  const uint64_t others = period.server_full + period.held_back;  // have findings of their own
  return period.failed > others ? period.failed - others : 0;
}

// In both of the whole periods, and no fewer than succeed: a server that is started again is away
// for a moment.
bool IsSustained(const Service& service, const Thresholds& thresholds) {
  if (service.periods.size() < kWindow) return false;
  return std::all_of(
      service.periods.end() - kWindow, service.periods.end() - 1, [&](const Activity& period) {
        return FailedBy(period) >= thresholds.failing_connects && FailedBy(period) >= period.opened;
      });
}

// Failed handles that were not finished: a fault of the program's, which has a finding of its own.
uint64_t Unfinished(const Observation& observation, const Service& service) {
  uint64_t count = 0;
  for (const size_t process : service.processes) {
    const auto& connections = observation.snapshots[process].connections;
    count += static_cast<uint64_t>(std::count_if(
        connections.begin(), connections.end(),
        [](const Connection& connection) { return connection.state == ConnectionState::kFailed; }));
  }
  return count;
}

}  // namespace

// A program that cannot connect has neither a leak nor a limit that is too small, and is not well.
std::vector<Finding> FindConnectFailures(const Observation& observation) {
  std::vector<Finding> findings;
  for (const Service& service : ServicesOf(observation)) {
    if (!IsSustained(service, observation.thresholds)) continue;
    const Activity recent = Recent(service, kWindow);
    const std::optional<FailureSum> failures =
        MostFailed(observation, service, 2 * kHistoryPeriodNs);
    if (!failures || failures->reason == FailureReason::kServerFull ||
        failures->reason == FailureReason::kRoleLimit ||
        2 * Unfinished(observation, service) >= failures->count) {
      continue;
    }
    const uint64_t window = RecentNs(service, kWindow);
    Finding finding;
    finding.confidence = Confidence::kProven;
    finding.summary = fmt::format(
        "{} of {} failed in the last {} and {} succeeded: {}{}", Count(recent.failed, "connect"),
        Named(service), HumanDuration(window), recent.opened, ReasonInWords(failures->reason),
        failures->text.empty() ? "" : fmt::format(" (\"{}\")", failures->text));
    finding.answer = {
        Answer::Verdict::kOther,
        fmt::format("No leak and no limit, but connect-failures: {} of {} of {} failed: {}{}",
                    recent.failed, Count(recent.failed + recent.opened, "connect"), Named(service),
                    ReasonInWords(failures->reason),
                    failures->text.empty() ? "" : fmt::format(": \"{}\"", failures->text))};
    if (failures->call_site != 0) finding.call_site = failures->call_site;
    finding.evidence = {InConnections("failed", recent.failed),
                        InConnections("succeeded", recent.opened),
                        InConnections("failed_for_this_reason", failures->count),
                        InSeconds("last_ago", failures->last_ago_ns)};
    finding.advice =
        "this is no limit of the program's: mend what the message names, and let the program wait "
        "a little longer before each further try";
    finding.connections = recent.failed;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
