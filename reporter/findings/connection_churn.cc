// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "reporter/findings/demand.h"
#include "reporter/findings/detector.h"
#include "reporter/findings/need.h"
#include "reporter/findings/process_churn.h"
#include "reporter/findings/service.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kWindow = 3;  // periods; of these, the last is not over yet

// In both of the whole periods: a burst of connects is over in one.
bool IsSustained(const Service& service, const Thresholds& thresholds) {
  if (service.periods.size() < kWindow) return false;
  return std::all_of(
      service.periods.end() - kWindow, service.periods.end() - 1, [&](const Activity& period) {
        return period.opened >= thresholds.churn_opens && 2 * period.closed >= period.opened;
      });
}

// The place that opens the most connections which live for a moment; nullptr: none does.
const Place* ShortLivedPlace(const Service& service, const Thresholds& thresholds) {
  const Place* most = nullptr;
  for (const Place& place : service.places) {
    const bool lately = Since(service.as_of_ns, place.last_ns) <= RecentNs(service, kWindow);
    if (!lately || place.closed < thresholds.churn_opens ||
        place.UsualLifeNs() > thresholds.churn_life_ns) {
      continue;
    }
    if (most == nullptr || place.opened > most->opened) most = &place;
  }
  return most;
}

std::string LifeText(uint64_t ns) {
  return ns < kSecond ? fmt::format("{} ms", ns / kMillisecond) : HumanDuration(ns);
}

// The pool that would take the connects away, as `pqleash advise` has it.
uint64_t PoolFor(const Observation& observation, const Service& service) {
  const std::set<uint64_t> leaks = LeakSites(observation);
  const bool leaking =
      std::any_of(service.places.begin(), service.places.end(),
                  [&](const Place& place) { return leaks.contains(place.group->id); });
  const Demand demand = DemandOf(observation.snapshots, service.processes);
  return WithHeadroom(NeedOf(demand, 0, leaking).connections);
}

}  // namespace

// A connect costs the server a process and the program several round trips; a pool pays once.
std::vector<Finding> FindConnectionChurn(const Observation& observation) {
  const Thresholds& thresholds = observation.thresholds;
  std::vector<Finding> findings = FindProcessChurn(observation);
  for (const Service& service : ServicesOf(observation)) {
    if (!IsSustained(service, thresholds)) continue;
    const Place* place = ShortLivedPlace(service, thresholds);
    if (place == nullptr) continue;
    const Activity recent = Recent(service, kWindow);
    const uint64_t window = RecentNs(service, kWindow);
    const uint64_t at_once = std::max<uint64_t>(recent.open_peak, 1);
    // As many at once as it opens in the window are no churn: they are needed side by side.
    if (recent.opened < 3 * at_once) continue;
    const double rate = static_cast<double>(recent.opened) * 1e9 / static_cast<double>(window);
    const std::string said =
        fmt::format("{} opened {} in the last {}, {:.1f} a second, {}, which live for {} as a rule",
                    Named(service), Count(recent.opened, "connection"), HumanDuration(window), rate,
                    OpenedBy(observation, *place->group), LifeText(place->UsualLifeNs()));
    const uint64_t pool = PoolFor(observation, service);
    Finding finding;
    finding.confidence = Confidence::kLikely;
    finding.summary = fmt::format("{}: at most {} {} open at once, and a pool of {} would do", said,
                                  at_once, at_once == 1 ? "was" : "were", pool);
    finding.call_site = place->group->id;
    finding.evidence = {InConnections("opened", recent.opened),
                        InConnections("closed", recent.closed),
                        {"connects_per_second", ToTenths(rate), "connects/s"},
                        InSeconds("usual_life", place->UsualLifeNs()),
                        InConnections("open_at_once_at_most", at_once)};
    finding.advice = fmt::format(
        "keep the connections: a pool of {} in the program, or a pooler beside the server, takes "
        "the connects away",
        pool);
    finding.connections = at_once;
    finding.answer = {
        Answer::Verdict::kChurn,
        fmt::format(
            "Neither a leak nor a limit: {} {:.1f} connections a second, {}, which live "
            "for {} as a rule",
            service.processes.size() == 1 ? Named(service) + " opens" : Named(service) + " open",
            rate, OpenedBy(observation, *place->group), LifeText(place->UsualLifeNs()))};
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
