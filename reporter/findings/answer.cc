// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "reporter/duration.h"
#include "reporter/findings/service.h"
#include "reporter/snapshot/connection_times.h"

namespace pqleash::reporter {
namespace {

// A process is judged from this age on, and growth when it is as old: by then each rule has seen as
// much as it asks for (Thresholds::left_for_good_ns, two whole periods of the history).
constexpr uint64_t kEarlyNs = 30 * kSecond;
constexpr size_t kGrowthPeriods = 6;

// The youngest process with connections, if it is too young for a verdict.
std::optional<Answer> TooYoung(const Observation& observation) {
  const Snapshot* youngest = nullptr;
  const auto age = [](const Snapshot& snapshot) {
    return Since(snapshot.as_of_ns, snapshot.process.created_monotonic_ns);
  };
  for (const Snapshot& snapshot : observation.snapshots) {
    if (!MayLive(snapshot.process.life) || snapshot.totals.open == 0) continue;
    if (youngest == nullptr || age(snapshot) < age(*youngest)) youngest = &snapshot;
  }
  if (youngest == nullptr || age(*youngest) >= kEarlyNs) return std::nullopt;
  return Answer{Answer::Verdict::kEarly,
                fmt::format("Too early to judge: process {} of {} connected for the first time {} "
                            "ago; ask again in {}",
                            youngest->process.visible_pid != 0 ? youngest->process.visible_pid
                                                               : youngest->process.pid,
                            youngest->process.service, HumanDuration(age(*youngest)),
                            HumanDuration(kEarlyNs - age(*youngest) + kSecond))};
}

// A service that has grown within the last minute: whether it will come back to what it opened is
// not known yet.
std::optional<Answer> Undecided(const Observation& observation) {
  for (const Service& service : ServicesOf(observation)) {
    const Activity recent = Recent(service, kGrowthPeriods);
    if (service.open == 0 || recent.opened <= recent.closed) continue;
    return Answer{
        Answer::Verdict::kEarly,
        fmt::format(
            "Too early to judge: {} opened {} in the last {} and closed {}; what becomes of "
            "them shows when they have rested for {}",
            Named(service), Count(recent.opened, "connection"),
            HumanDuration(RecentNs(service, kGrowthPeriods)), recent.closed,
            HumanDuration(observation.thresholds.left_for_good_ns))};
  }
  return std::nullopt;
}

Answer NothingSpeaksForIt(const Observation& observation) {
  uint64_t open = 0;
  uint64_t in_use = 0;
  uint64_t peak = 0;
  for (const Snapshot& snapshot : observation.snapshots) {
    if (!MayLive(snapshot.process.life)) continue;
    open += snapshot.totals.open;
    in_use += snapshot.totals.in_use;
    // Peaks of several processes need not have been at one time: the largest alone is known.
    peak = std::max(peak, snapshot.totals.in_use_peak);
  }
  if (open == 0)
    return {Answer::Verdict::kNone,
            "No leak, and no limit that is too small: no connection is open"};
  return {Answer::Verdict::kNone,
          fmt::format("No leak, and no limit that is too small: {} {} open, {} in use now and at "
                      "most {} at once{}",
                      Count(open, "connection"), open == 1 ? "is" : "are", in_use, peak,
                      observation.snapshots.size() > 1 ? " in one process" : "")};
}

}  // namespace

Answer AnswerOf(const Observation& observation, const std::vector<Finding>& findings) {
  if (observation.snapshots.empty())
    return {Answer::Verdict::kUnobserved,
            "Nothing was looked at: no process has written a ledger here"};
  if (!findings.empty()) {
    const Finding& first = findings.front();
    if (first.answer) return *first.answer;
    return {Answer::Verdict::kOther,
            fmt::format("No leak and no limit, but {}: {}", first.kind, first.summary)};
  }
  if (const auto early = TooYoung(observation)) return *early;
  if (const auto early = Undecided(observation)) return *early;
  return NothingSpeaksForIt(observation);
}

}  // namespace pqleash::reporter
