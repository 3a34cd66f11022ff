// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/exhaustion.h"

#include <algorithm>
#include <vector>

namespace pqleash::reporter {
namespace {

constexpr size_t kRecent = 3;      // periods; the last is not over yet
constexpr size_t kRaised = 2;      // of these
constexpr size_t kMinEarlier = 2;  // periods that the recent ones are compared with

// The first period is that in which the process started, the recent ones are those to be judged.
template <typename Number>
std::vector<double> Earlier(const Service& service, const Number& number) {
  std::vector<double> earlier;
  for (size_t i = 1; i + kRecent < service.periods.size(); ++i)
    earlier.push_back(number(service.periods[i]));
  return earlier;
}

// A fault that lasts becomes what is usual: the lower quartile stays what it was for three times as
// long as the median does.
double LowerQuartile(std::vector<double> numbers) {
  const auto quartile = numbers.begin() + static_cast<ptrdiff_t>(numbers.size() / 4);
  std::nth_element(numbers.begin(), quartile, numbers.end());
  return *quartile;
}

// What part of the connections' time was spent in uses before.
double UsedBefore(const Service& service) {
  const std::vector<double> shares = Earlier(service, [](const Activity& period) {
    return period.open_peak == 0 ? 0.0
                                 : static_cast<double>(period.busy_ns) /
                                       static_cast<double>(period.open_peak * kHistoryPeriodNs);
  });
  return shares.size() < kMinEarlier ? 1.0 : LowerQuartile(shares);
}

}  // namespace

Level LevelOf(const Service& service, uint64_t Activity::*field) {
  const std::vector<double> earlier =
      Earlier(service, [&](const Activity& period) { return static_cast<double>(period.*field); });
  Level level;
  if (earlier.size() < kMinEarlier) return level;
  level.usual = static_cast<uint64_t>(LowerQuartile(earlier));
  level.known = level.usual != 0;  // else it begins to work: there is nothing to compare with
  for (size_t i = service.periods.size() - kRecent; i < service.periods.size(); ++i)
    level.largest = std::max(level.largest, service.periods[i].*field);
  return level;
}

size_t RaisedPeriods(const Service& service, uint64_t Activity::*field, uint64_t floor,
                     double times) {
  const Level level = LevelOf(service, field);
  if (!level.known) return 0;
  size_t raised = 0;
  for (size_t i = service.periods.size() - kRecent; i < service.periods.size(); ++i) {
    const uint64_t now = service.periods[i].*field;
    raised += now >= floor && static_cast<double>(now) >= times * static_cast<double>(level.usual);
  }
  return raised;
}

bool IsExhausted(const Service& service, const Thresholds& thresholds) {
  const Activity recent = Recent(service, kRaised);
  if (service.open < thresholds.saturated_connections || recent.opened > recent.uses / 10)
    return false;
  const bool all_taken = recent.in_use_peak >= service.open &&
                         BusyShare(service, kRaised) >= thresholds.saturated_share;
  const std::optional<double> share = HandoverShare(service, kRecent);
  if (!share) return all_taken;
  return *share >= thresholds.handed_over_share ||
         (all_taken && *share >= thresholds.handed_over_share_taken);
}

bool HasMoreToDo(const Service& service, const Thresholds& thresholds) {
  const auto raised = [&](double times) {
    return RaisedPeriods(service, &Activity::uses, thresholds.spike_uses, times) >= kRaised;
  };
  if (raised(static_cast<double>(thresholds.spike_times))) return true;
  return raised(thresholds.spike_times_full) && IsExhausted(service, thresholds) &&
         UsedBefore(service) <= thresholds.spike_used_before;
}

std::optional<Slowness> SlowerUses(const Service& service, const Thresholds& thresholds) {
  constexpr size_t kFirst = 1;     // the period before it is that in which the process started
  constexpr size_t kCompared = 1;  // periods at least that the uses are compared with
  if (service.periods.size() < kFirst + kCompared + kRecent) return std::nullopt;
  const Activity recent = Recent(service, kRecent);
  const Slowness slow = {recent.uses == 0 ? 0 : recent.busy_ns / recent.uses,
                         QuickUseNs(service, kFirst, service.periods.size() - kRecent)};
  if (slow.before_ns == 0 || slow.now_ns < thresholds.slow_use_ns ||
      slow.now_ns < thresholds.slow_use_times * slow.before_ns) {
    return std::nullopt;
  }
  return slow;
}

}  // namespace pqleash::reporter
