// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <utility>

#include "reporter/call_sites/headline.h"
#include "reporter/call_sites/told_apart.h"
#include "reporter/findings/service.h"
#include "reporter/findings/severity.h"
#include "reporter/snapshot/target_name.h"
#include "shim/ledger/layout.h"

namespace pqleash::reporter {
namespace {

// A detector is its function and a line here. Most harmful kind first: what breaks the work of
// another process before what holds locks, that before what holds a slot of the server, and that
// before what costs only memory.
constexpr DetectorEntry kDetectors[] = {
    {"fork-shared", FindForkShared},
    {"lost-handle", FindLostHandles},
    {"lost-owner", FindLostOwners},
    {"idle-in-transaction", FindIdleInTransaction},
    {"leak-suspect", FindLeakSuspects},
    {"role-limit", FindRoleLimits},
    {"connect-failures", FindConnectFailures},
    {"lock-wait", FindLockWaits},
    {"demand-spike", FindDemandSpikes},
    {"saturated", FindSaturated},
    {"over-provisioned", FindOverProvisioned},
    {"connection-churn", FindConnectionChurn},
    {"server-full", FindServerFull},
    {"server-closed", FindServerClosed},
    {"unfinished-failed-connect", FindUnfinishedFailedConnects},
    {"never-used", FindNeverUsed},
    {"cap-hit", FindCapHits},
};

// See FindAll.
enum Tier { kBreaksOthers, kTakes, kFollows, kBeside, kCosts };

// A victim of a full server may connect for each request, too: with a few at once it fills none.
constexpr uint64_t kChurnThatFills = 16;

// A full server is no consequence of what holds less than this part of the slots that are known.
constexpr uint64_t kSmallPart = 4;

Tier TierOf(const Finding& finding, bool server_is_full) {
  const std::string_view kind = finding.kind;
  if (kind == "fork-shared") return kBreaksOthers;
  for (const std::string_view takes :
       {"lost-handle", "lost-owner", "idle-in-transaction", "leak-suspect", "role-limit",
        "connect-failures", "lock-wait", "demand-spike", "saturated"}) {
    if (kind == takes) return kTakes;
  }
  if (kind == "over-provisioned") return server_is_full ? kTakes : kCosts;
  if (kind == "connection-churn") {
    return server_is_full && finding.connections >= kChurnThatFills ? kTakes : kCosts;
  }
  return kind == "server-full" ? kFollows : kCosts;
}

// 'for shop@db1:5432/orders ', of the target that most of the group's connections have; empty: it
// is not known. A pool's own thread has nothing of the application in its stack: what it connects
// to tells which pool it is.
std::string Towards(const Observation& observation, const CallSiteGroup& group) {
  std::map<std::string, uint64_t> counts;
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    ++counts[TargetName(snapshot.targets[snapshot.connections[place.connection].target])];
  }
  counts.erase("");
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end()) return {};
  return fmt::format("for {}{} ", most->first, counts.size() > 1 ? " and others" : "");
}

// In the place of a stack it has one frame, which says so.
bool WasOpenedBefore(const CallSiteGroup& group) {
  return group.frames.size() == 1 && group.frames.front().function == ledger::kOpenedBefore;
}

// What OpenedBy says of a group, with a caller or without.
std::string OpenedBy(const Observation& observation, const CallSiteGroup& group,
                     std::optional<size_t> caller) {
  if (WasOpenedBefore(group)) return "opened before the attach";
  const std::optional<Headline> headline = HeadlineOf(group.frames, observation.library_paths);
  if (!headline) return "opened at a place that was not recorded";
  const std::string place = DescribeSite(group.frames, headline->frame, caller);
  const std::string package = headline->package.empty() ? "a library" : headline->package;
  switch (headline->of) {
    case Headline::Of::kApplication:
      return "opened by " + place;
    case Headline::Of::kThread:
      return fmt::format("opened {}by {}'s thread {}", Towards(observation, group), package, place);
    case Headline::Of::kTask:
      return fmt::format("opened {}by {}'s task {}", Towards(observation, group), package, place);
    case Headline::Of::kLibrary:
      return "opened by " + place +
             (CallersWereCut(group) ? ", whose callers were not recorded" : "");
  }
  return {};
}

// 1 to 3 are 0, 4 to 15 are 1, and so on.
int Magnitude(uint64_t connections) {
  return connections == 0 ? 0 : (std::bit_width(connections) - 1) / 2;
}

}  // namespace

std::span<const DetectorEntry> Detectors() { return kDetectors; }

std::vector<Finding> FindAll(const Observation& observed) {
  Observation observation = observed;
  observation.leak_sites = LeakSites(observed);
  std::vector<Finding> findings;
  const bool server_is_full = ServerIsFull(observation);
  for (const DetectorEntry& detector : Detectors()) {
    std::vector<Finding> found = detector.find(observation);
    for (Finding& finding : found) finding.kind = detector.kind;
    std::stable_sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) {
      return std::pair(a.confidence, a.connections) > std::pair(b.confidence, b.connections);
    });
    std::move(found.begin(), found.end(), std::back_inserter(findings));
  }
  FoldLeaks(&findings);
  uint64_t open = 0;
  for (const Snapshot& snapshot : observation.snapshots) {
    if (MayLive(snapshot.process.life)) open += snapshot.totals.open;
  }
  const auto rank = [&](const Finding& finding) {
    Tier tier = TierOf(finding, server_is_full);
    if (tier == kTakes && server_is_full && kSmallPart * finding.connections < open) tier = kBeside;
    return std::pair(tier, tier == kTakes ? -Magnitude(finding.connections) : 0);
  };
  std::stable_sort(findings.begin(), findings.end(),
                   [&](const Finding& a, const Finding& b) { return rank(a) < rank(b); });
  SetSeverities(server_is_full, &findings);
  return findings;
}

std::set<uint64_t> SitesOf(const std::vector<Finding>& findings) {
  std::set<uint64_t> sites;
  for (const Finding& finding : findings) {
    if (finding.call_site) sites.insert(*finding.call_site);
    sites.insert(finding.other_sites.begin(), finding.other_sites.end());
  }
  return sites;
}

std::set<uint64_t> LeakSites(const Observation& observation) {
  if (observation.leak_sites) return *observation.leak_sites;
  std::set<uint64_t> sites = SitesOf(FindLeakSuspects(observation));
  sites.merge(SitesOf(FindLostHandles(observation)));
  sites.merge(SitesOf(FindLostOwners(observation)));
  return sites;
}

void FoldLeaks(std::vector<Finding>* findings) {
  std::map<uint64_t, Finding*> lost;  // by call site
  for (Finding& finding : *findings) {
    // The proven come first.
    const bool is_lost = finding.kind == "lost-handle" || finding.kind == "lost-owner";
    if (!is_lost || !finding.call_site) continue;
    lost.try_emplace(*finding.call_site, &finding);
    for (const uint64_t site : finding.other_sites) lost.try_emplace(site, &finding);
  }
  std::set<const Finding*> folded;
  for (const Finding& finding : *findings) {
    if (finding.kind != "leak-suspect" || !finding.call_site) continue;
    const auto with = lost.find(*finding.call_site);
    if (with == lost.end()) continue;
    Finding& whole = *with->second;
    whole.summary += fmt::format("; {} more of this place {} suspected to leak",
                                 finding.connections, finding.connections == 1 ? "is" : "are");
    whole.evidence.push_back(InConnections("suspected_to_leak", finding.connections));
    whole.connections += finding.connections;
    folded.insert(&finding);
  }
  std::erase_if(*findings, [&](const Finding& finding) { return folded.contains(&finding); });
}

std::set<const Connection*> LostOnes(const Observation& observation) {
  std::set<const Connection*> lost;
  for (const CallSiteGroup& group : observation.call_sites) {
    for (const GroupedConnection& place : group.connections) {
      if (!IsOutOfReach(ReachAt(observation, place))) continue;
      lost.insert(&observation.snapshots[place.snapshot].connections[place.connection]);
    }
  }
  return lost;
}

Picked Pick(const Observation& observation, const CallSiteGroup& group,
            const Predicate& predicate) {
  Picked picked;
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    if (!predicate(snapshot, connection)) continue;
    ++picked.count;
    picked.lost += IsOutOfReach(ReachAt(observation, place));
    picked.longest_idle_ns =
        std::max(picked.longest_idle_ns, IdleNs(connection, snapshot.as_of_ns));
    picked.oldest_age_ns = std::max(picked.oldest_age_ns, AgeNs(connection, snapshot.as_of_ns));
  }
  return picked;
}

std::string PlaceName(const Observation& observation, const CallSiteGroup& group) {
  const std::optional<Headline> headline = HeadlineOf(group.frames, observation.library_paths);
  if (!headline) return "a place that was not recorded";
  return DescribeSite(group.frames, headline->frame, group.caller);
}

std::string OpenedBy(const Observation& observation, const CallSiteGroup& group) {
  return OpenedBy(observation, group, group.caller);
}

std::string OpenedBy(const Observation& observation,
                     const std::vector<const CallSiteGroup*>& groups) {
  if (groups.size() == 1) return OpenedBy(observation, *groups.front());
  const bool recorded = std::any_of(groups.begin(), groups.end(), [](const CallSiteGroup* group) {
    return !group->frames.empty();
  });
  if (!recorded) return fmt::format("opened at {} places that were not recorded", groups.size());
  std::set<std::string> headlines;
  std::set<std::string> callers;  // of the first one's headline
  for (const CallSiteGroup* group : groups) {
    const std::string headline = OpenedBy(observation, *group, std::nullopt);
    headlines.insert(group->frames.empty() ? fmt::format("{:x}", group->id) : headline);
    if (headline == OpenedBy(observation, *groups.front(), std::nullopt))
      callers.insert(OpenedBy(observation, *group));
  }
  std::string text = OpenedBy(observation, *groups.front(), std::nullopt);
  if (callers.size() > 1) text += fmt::format(", called from {} places", callers.size());
  if (headlines.size() > 1) {
    text += fmt::format("{} and {}", callers.size() > 1 ? "," : "",
                        Count(headlines.size() - 1, "other place"));
  }
  return text;
}

std::string Count(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

Evidence InConnections(std::string_view name, uint64_t count) {
  return {std::string(name), static_cast<double>(count), "connections"};
}

Evidence InSeconds(std::string_view name, uint64_t ns) {
  const auto milliseconds = static_cast<double>(ns / 1'000'000);
  return {std::string(name), milliseconds / 1'000, "s"};
}

}  // namespace pqleash::reporter
