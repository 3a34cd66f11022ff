// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reporter/findings/demand.h"
#include "reporter/findings/detector.h"
#include "reporter/findings/last_taken.h"
#include "reporter/findings/need.h"
#include "reporter/findings/pool.h"
#include "reporter/findings/service.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

// After Named.
const char* Hold(const Service& service) {
  return service.processes.size() == 1 ? "holds" : "hold";
}

// Whether the program comes back to the place's connections after long rests: it keeps them on
// purpose, and may open more.
bool ComesBack(const Service& service, const Place& place, const Thresholds& thresholds) {
  std::vector<const Connection*> open;
  for (const Held& held : place.open) open.push_back(held.connection);
  return UsualRestNs(open, service.as_of_ns, thresholds.settled_ns, thresholds.left_behind) != 0;
}

// Holds many, has been at rest for a while, was worked with since, and never needed but a few.
bool HoldsTooMany(const Service& service, const Place& place, const Thresholds& thresholds,
                  bool fills_the_server) {
  const uint64_t held = place.open.size();
  const uint64_t peak = std::max<uint64_t>(place.in_use_peak, 1);
  const uint64_t times =
      fills_the_server ? thresholds.full_surplus_times : thresholds.surplus_times;
  const uint64_t surplus = fills_the_server ? thresholds.full_surplus : thresholds.surplus;
  if (held < times * peak || held < peak + surplus) return false;
  if (ComesBack(service, place, thresholds)) return true;
  uint64_t newest = 0;
  uint64_t last_use = 0;
  for (const Held& open : place.open) {
    newest = std::max(newest, open.connection->established_ns);
    last_use = std::max(last_use, open.connection->last_activity_ns);
  }
  if (Since(service.as_of_ns, newest) < thresholds.settled_ns) return false;
  // A pool that rests has shown nothing of what it needs.
  return Since(last_use, newest) >= thresholds.settled_ns;
}

bool IsStuckPlace(const Place& place, const Thresholds& thresholds) {
  return std::any_of(place.open.begin(), place.open.end(), [&](const Held& open) {
    return IsStuck(*open.snapshot, *open.connection, thresholds.transaction_idle_ns);
  });
}

// When it began to hold them, if that was a short while ago.
std::string SinceItsStart(const Service& service, const Thresholds& thresholds) {
  const uint64_t age = Since(service.as_of_ns, service.since_ns);
  if (age >= thresholds.young_ns) return "";
  return fmt::format(", since its first connect {} ago", HumanDuration(age));
}

Finding Describe(const Observation& observation, const Service& service, const Place& place) {
  const CallSiteGroup& group = *place.group;
  const uint64_t held = place.open.size();
  const auto never_used = static_cast<uint64_t>(
      std::count_if(place.open.begin(), place.open.end(),
                    [](const Held& open) { return open.connection->commands == 0; }));
  const uint64_t observed = Since(service.as_of_ns, service.since_ns);
  std::set<const Connection*> ones;
  for (const Held& open : place.open) ones.insert(open.connection);
  const LastTakenBy taken = LastTakenOf(observation, group, [&](const GroupedConnection& grouped) {
    return ones.contains(&observation.snapshots[grouped.snapshot].connections[grouped.connection]);
  });
  std::string clause = TakenClause(taken);
  if (!clause.empty()) clause.pop_back();
  Finding finding;
  finding.confidence = Confidence::kLikely;
  finding.summary = fmt::format(
      "{} {} {} {}{}{}: at most {} {} ever in use at once{}", Named(service), Hold(service),
      Count(held, "connection"), OpenedBy(observation, group), clause,
      SinceItsStart(service, observation.thresholds), place.in_use_peak,
      place.in_use_peak == 1 ? "was" : "were",
      never_used == 0 ? "" : fmt::format(", and {} were never used at all", never_used));
  finding.call_site = group.id;
  finding.evidence = {InConnections("held", held),
                      InConnections("in_use_at_once_at_most", place.in_use_peak),
                      InConnections("never_used", never_used),
                      InConnections("opened_beside_an_idle_one", place.opened_beside_idle),
                      InSeconds("observed", observed),
                      {"processes", static_cast<double>(service.processes.size()), "processes"}};
  finding.advice = fmt::format(
      "lower the number that is opened here: {} would do for what was in use, with {} % in "
      "reserve; look at what the latest deploy set for the pool's size, and multiply it by the "
      "number of processes and pools",
      EnoughFor(NeedOfPlace(observation.snapshots, group, service.processes),
                DemandOf(observation.snapshots, service.processes)),
      kHeadroomPercent);
  finding.connections = held;
  finding.answer = {
      Answer::Verdict::kTooLarge,
      fmt::format("Too large a limit, no leak: {} {} {}, at most {} in use at once, {}",
                  Named(service), Hold(service), Count(held, "connection"), place.in_use_peak,
                  OpenedBy(observation, group))};
  AddLastTaken(observation, taken, &finding);
  return finding;
}

}  // namespace

// Slots of the server that others may need. A leak holds many as well: that grows, this does not.
std::vector<Finding> FindOverProvisioned(const Observation& observation) {
  const std::set<uint64_t> leaks = LeakSites(observation);
  const std::vector<Service> services = ServicesOf(observation);
  const std::optional<uint64_t> refused_since = ServerRefusesSince(services);
  std::vector<Finding> findings;
  for (const Service& service : services) {
    // The victim of a full server holds what it always did: who grew when it became full has filled
    // it.
    const bool fills_the_server =
        refused_since && GrownAbout(service, *refused_since) >= observation.thresholds.full_surplus;
    for (const Place& place : service.places) {
      if (place.group->id == 0 || leaks.contains(place.group->id)) continue;
      if (!HoldsTooMany(service, place, observation.thresholds, fills_the_server) ||
          IsStuckPlace(place, observation.thresholds)) {
        continue;
      }
      findings.push_back(Describe(observation, service, place));
    }
  }
  return findings;
}

}  // namespace pqleash::reporter
