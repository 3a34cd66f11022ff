// SPDX-License-Identifier: Apache-2.0

#include "reporter/advice/situation.h"

#include <algorithm>

#include "reporter/snapshot/connection_times.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kLeastHeldWhenFull = 5;  // whoever holds fewer did not fill it

// The part of what was held that may be kept for long, where a limit is to free slots by itself.
constexpr uint64_t kFewKept = 4;

bool Has(const Service& service, const std::set<uint64_t>& sites) {
  return std::any_of(service.places.begin(), service.places.end(),
                     [&](const Place& place) { return sites.contains(place.group->id); });
}

// The judged one of these processes: the living ones together; nullptr: there is none.
const Service* ServiceOf(const std::vector<Service>& services,
                         const std::vector<size_t>& processes) {
  const Service* found = nullptr;
  for (const Service& service : services) {
    if (!std::binary_search(processes.begin(), processes.end(), service.processes.front()))
      continue;
    if (found == nullptr || service.processes.size() > found->processes.size()) found = &service;
  }
  return found;
}

// A pool with no more to give, because of the work that it has: saturated as before, or by a rise
// that has taken it all.
std::set<uint64_t> TooSmallSites(const Observation& observation,
                                 const std::vector<Service>& services) {
  std::set<uint64_t> sites = SitesOf(FindSaturated(observation));
  const std::set<uint64_t> spikes = SitesOf(FindDemandSpikes(observation));
  for (const Service& service : services) {
    if (!IsExhausted(service, observation.thresholds)) continue;
    for (const Place& place : service.places) {
      if (spikes.contains(place.group->id)) sites.insert(place.group->id);
    }
  }
  return sites;
}

std::map<uint64_t, uint64_t> LeftBehindBySite(const Observation& observation) {
  std::map<uint64_t, uint64_t> left_behind;
  for (const Finding& finding : FindLeakSuspects(observation)) {
    if (finding.call_site) left_behind[*finding.call_site] += finding.connections;
    // Their numbers are in the first one's.
    for (const uint64_t other : finding.other_sites) left_behind.emplace(other, 0);
  }
  return left_behind;
}

bool FilledIt(const Demand& demand, const Neighbourhood& around) {
  return demand.held_when_full >= kLeastHeldWhenFull && demand.grew_to_full &&
         2 * demand.held_when_full >= around.held_when_full;
}

void CountOpen(const Observation& observation, const std::vector<size_t>& processes,
               Situation* situation) {
  for (const size_t index : CurrentOf(observation.snapshots, processes)) {
    const Snapshot& snapshot = observation.snapshots[index];
    for (const Connection& connection : snapshot.connections) {
      if (!IsOpen(connection)) continue;
      const uint64_t first = snapshot.call_sites[connection.call_site].first_ns;
      situation->fill += Since(connection.opened_ns, first) < observation.thresholds.fill_ns;
      situation->kept += Since(snapshot.as_of_ns, connection.established_ns) > kShortLifeNs;
    }
  }
}

Case CaseOf(const Service* service, const Demand& demand, uint64_t waiting, const Situation& found,
            const Neighbourhood& around) {
  if (demand.server_full != 0) {
    if (!FilledIt(demand, around)) return Case::kVictim;
    if (found.left_behind != 0) return Case::kFullLeak;
    const bool comes_and_goes =
        demand.short_lived && kFewKept * found.kept <= demand.held_when_full;
    return comes_and_goes ? Case::kFlood : Case::kHoard;
  }
  if (waiting != 0) return Case::kQueue;
  if (found.left_behind != 0) return Case::kLeak;
  if (service == nullptr) return Case::kFine;
  if (found.slower) return Case::kSlower;
  if (Has(*service, around.too_small)) return Case::kTooSmall;
  return Has(*service, around.surplus) ? Case::kSurplus : Case::kFine;
}

}  // namespace

Neighbourhood LookAround(const Observation& observation, const std::vector<Demand>& demands) {
  Neighbourhood around;
  around.services = ServicesOf(observation);
  around.left_behind = LeftBehindBySite(observation);
  around.too_small = TooSmallSites(observation, around.services);
  around.surplus = SitesOf(FindOverProvisioned(observation));
  for (const Demand& demand : demands)
    around.held_when_full = std::max(around.held_when_full, demand.held_when_full);
  return around;
}

Situation SituationOf(const Observation& observation, const std::vector<size_t>& processes,
                      const Demand& demand, uint64_t waiting, const Neighbourhood& around) {
  Situation situation;
  CountOpen(observation, processes, &situation);
  const Service* service = ServiceOf(around.services, processes);
  if (service != nullptr) {
    for (const Place& place : service->places) {
      const auto left = around.left_behind.find(place.group->id);
      if (left == around.left_behind.end()) continue;
      situation.left_behind += std::min<uint64_t>(left->second, service->open);
    }
    if (IsExhausted(*service, observation.thresholds))
      situation.slower = SlowerUses(*service, observation.thresholds);
  }
  situation.it = CaseOf(service, demand, waiting, situation, around);
  return situation;
}

std::vector<int32_t> IdleBackends(const std::vector<size_t>& processes, const Situation& situation,
                                  uint64_t spare, const Neighbourhood& around) {
  struct Idle {
    uint64_t idle_ns = 0;
    int32_t backend = 0;
  };
  const Service* service = ServiceOf(around.services, processes);
  if (service == nullptr) return {};
  const bool leaks = situation.left_behind != 0;
  std::vector<Idle> idle;
  for (const Place& place : service->places) {
    if (leaks && !around.left_behind.contains(place.group->id)) continue;
    for (const Held& open : place.open) {
      if (open.connection->backend_pid <= 0) continue;
      idle.push_back(
          {IdleNs(*open.connection, open.snapshot->as_of_ns), open.connection->backend_pid});
    }
  }
  std::stable_sort(idle.begin(), idle.end(),
                   [](const Idle& a, const Idle& b) { return a.idle_ns > b.idle_ns; });
  const uint64_t stay = leaks ? Since(idle.size(), situation.left_behind) : spare;
  idle.resize(std::min<size_t>(Since(idle.size(), stay), kMostBackends));
  std::vector<int32_t> backends;
  for (const Idle& each : idle) {
    if (each.idle_ns >= kIdleNs) backends.push_back(each.backend);
  }
  return backends;
}

}  // namespace pqleash::reporter
