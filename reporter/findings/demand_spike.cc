// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/exhaustion.h"
#include "reporter/findings/service.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kRecent = 3;  // periods; the last is not over yet
constexpr size_t kRaised = 2;  // of these
std::string PerSecond(uint64_t per_period) {
  return fmt::format("{:.1f}",
                     static_cast<double>(per_period) * 1e9 / static_cast<double>(kHistoryPeriodNs));
}

double InOneSecond(uint64_t per_period) {
  return static_cast<double>(per_period * 10 / (kHistoryPeriodNs / kSecond)) / 10;
}

// What the spike has led to; empty: it is served, and no fault.
std::string Trouble(const Service& service, const Thresholds& thresholds) {
  const Activity recent = Recent(service, kRecent);
  if (recent.server_full != 0)
    return fmt::format("the server was full for {}", Count(recent.server_full, "connect"));
  if (recent.held_back != 0)
    return fmt::format("{} waited at caps or were refused", Count(recent.held_back, "connect"));
  if (recent.failed != 0) return fmt::format("{} failed", Count(recent.failed, "connect"));
  if (IsExhausted(service, thresholds))
    return fmt::format("all {} are taken, in use {} of the time", Count(service.open, "connection"),
                       Percent(BusyShare(service, kRaised)));
  return "";
}

// Whether what is opened is closed again, so that it is no leak that opens.
bool ClosesAsMuch(const Service& service) {
  const Activity recent = Recent(service, kRecent);
  return 2 * recent.closed >= recent.opened;
}

}  // namespace

// More work than usual, more than there are connections for. Judged by what was done, not by what
// was tried: a program that is refused tries again and again.
std::vector<Finding> FindDemandSpikes(const Observation& observation) {
  const Thresholds& thresholds = observation.thresholds;
  const std::set<uint64_t> leaks = LeakSites(observation);
  std::vector<Finding> findings;
  for (const Service& service : ServicesOf(observation)) {
    const bool by_uses = HasMoreToDo(service, thresholds);
    const bool by_opens = RaisedPeriods(service, &Activity::opened, thresholds.spike_opens,
                                        static_cast<double>(thresholds.spike_times)) >= kRaised &&
                          ClosesAsMuch(service);
    if (!by_uses && !by_opens) continue;
    const std::string trouble = Trouble(service, thresholds);
    if (trouble.empty() || service.places.empty()) continue;
    const CallSiteGroup& group = *service.places.front().group;
    if (leaks.contains(group.id)) continue;
    const Level uses = LevelOf(service, &Activity::uses);
    const Level opens = LevelOf(service, &Activity::opened);
    const std::string rise =
        by_uses ? fmt::format("commands rose from {} to {} a second", PerSecond(uses.usual),
                              PerSecond(uses.largest))
                : fmt::format("connects rose from {} to {} a second, and closes with them",
                              PerSecond(opens.usual), PerSecond(opens.largest));
    const Activity recent = Recent(service, kRecent);
    Finding finding;
    finding.confidence = Confidence::kLikely;
    finding.summary = fmt::format("{}: {}; {}", Named(service), rise, trouble);
    finding.call_site = group.id;
    finding.evidence = {{"uses_per_second", InOneSecond(uses.largest), "uses/s"},
                        {"usual_uses_per_second", InOneSecond(uses.usual), "uses/s"},
                        {"connects_per_second", InOneSecond(opens.largest), "connects/s"},
                        {"usual_connects_per_second", InOneSecond(opens.usual), "connects/s"},
                        InConnections("open", service.open),
                        InConnections("in_use_at_once_at_most", recent.in_use_peak),
                        InConnections("opened_lately", recent.opened),
                        InConnections("closed_lately", recent.closed),
                        InConnections("refused_by_the_server", recent.server_full)};
    finding.advice =
        "look at where the requests come from (a release, a campaign, a client that tries again "
        "and "
        "again); until that is over, a cap keeps the others alive where connections come and go, "
        "as "
        "`pqleash advise` says, and a pool takes more work with connections that live longer";
    finding.connections = std::max(service.open, recent.open_peak);
    finding.answer = {Answer::Verdict::kDemand,
                      fmt::format("Demand, no leak: {} of {}; {}", rise, Named(service), trouble)};
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
