// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace pqleash::reporter {
namespace {

constexpr size_t kServerFullPeriods = 6;

void Add(const HistoryPeriod& happened, Activity* activity) {
  activity->opened += happened.opened;
  activity->closed += happened.closed;
  activity->failed += happened.failed;
  activity->server_full += happened.server_full;
  activity->held_back += uint64_t{happened.waited} + happened.refused;
  activity->uses += happened.uses;
  activity->busy_ns += happened.busy_ns;
  activity->thread_changes += happened.thread_changes;
  activity->handovers += happened.handovers;
  activity->open_peak += happened.open_peak;
  activity->in_use_peak += happened.in_use_peak;
}

void AddProcess(const Snapshot& snapshot, size_t index, Service* service) {
  const uint64_t since = snapshot.process.created_monotonic_ns;
  service->since_ns = service->processes.empty() ? since : std::min(service->since_ns, since);
  service->processes.push_back(index);
  service->name = snapshot.process.service;
  service->as_of_ns = std::max(service->as_of_ns, snapshot.as_of_ns);
  service->open += snapshot.totals.open;
  service->in_use += snapshot.totals.in_use;
}

void AddPeriods(const Observation& observation, Service* service) {
  uint64_t last = service->as_of_ns / kHistoryPeriodNs;
  for (const size_t process : service->processes) {
    const Snapshot& snapshot = observation.snapshots[process];
    // What a dead process did last may lie behind its last sign of life.
    if (!MayLive(snapshot.process.life) && !snapshot.history.empty()) {
      last = std::max(last, std::min(snapshot.history.back().period, last + kHistoryPeriods));
    }
  }
  service->as_of_ns = std::max(service->as_of_ns, last * kHistoryPeriodNs);
  const uint64_t oldest = last >= kHistoryPeriods ? last - kHistoryPeriods + 1 : 0;
  const uint64_t first = std::clamp(service->since_ns / kHistoryPeriodNs, oldest, last);
  service->periods.resize(last - first + 1);
  for (const size_t process : service->processes) {
    for (const HistoryPeriod& happened : observation.snapshots[process].history) {
      if (happened.period < first || happened.period > last) continue;
      Add(happened, &service->periods[happened.period - first]);
    }
  }
}

// Groups and their members are walked once for all services.
void AddPlaces(const Observation& observation, std::vector<Service>* services) {
  std::vector<size_t> service_of(observation.snapshots.size());
  for (size_t i = 0; i < services->size(); ++i) {
    for (const size_t process : (*services)[i].processes) service_of[process] = i;
  }
  for (const CallSiteGroup& group : observation.call_sites) {
    if (!Connects(group)) continue;
    std::map<size_t, Place> places;  // by service
    for (const CallSiteMember& member : group.members) {
      const CallSite& site = observation.snapshots[member.snapshot].call_sites[member.call_site];
      Place& place = places[service_of[member.snapshot]];
      place.in_use_peak += site.in_use_peak;
      place.opened += site.opened;
      place.closed += site.closed;
      place.opened_beside_idle += site.opened_beside_idle;
      place.closed_life_ns += site.closed_life_ns;
      place.last_ns = std::max(place.last_ns, site.last_ns);
    }
    for (const GroupedConnection& grouped : group.connections) {
      const Snapshot& snapshot = observation.snapshots[grouped.snapshot];
      const Connection& connection = snapshot.connections[grouped.connection];
      if (IsOpen(connection)) {
        places[service_of[grouped.snapshot]].open.push_back({&snapshot, &connection});
      }
    }
    for (auto& [service, place] : places) {
      place.group = &group;
      (*services)[service].places.push_back(std::move(place));
    }
  }
  for (Service& service : *services) {
    std::stable_sort(service.places.begin(), service.places.end(),
                     [](const Place& a, const Place& b) { return a.open.size() > b.open.size(); });
  }
}

}  // namespace

std::vector<Service> ServicesOf(const Observation& observation) {
  // The index tells dead processes apart.
  std::map<std::tuple<std::string, std::string, size_t>, Service> by_name;
  for (size_t i = 0; i < observation.snapshots.size(); ++i) {
    const Snapshot& snapshot = observation.snapshots[i];
    const size_t apart = MayLive(snapshot.process.life) ? 0 : i + 1;
    AddProcess(snapshot, i, &by_name[{snapshot.process.service, snapshot.process.boot_id, apart}]);
  }
  std::vector<Service> services;
  for (auto& [name, service] : by_name) {
    AddPeriods(observation, &service);
    services.push_back(std::move(service));
  }
  AddPlaces(observation, &services);
  return services;
}

Activity Recent(const Service& service, size_t count) {
  Activity sum;
  const size_t first = service.periods.size() - std::min(count, service.periods.size());
  for (size_t i = first; i < service.periods.size(); ++i) {
    const Activity& period = service.periods[i];
    sum.opened += period.opened;
    sum.closed += period.closed;
    sum.failed += period.failed;
    sum.server_full += period.server_full;
    sum.held_back += period.held_back;
    sum.uses += period.uses;
    sum.busy_ns += period.busy_ns;
    sum.thread_changes += period.thread_changes;
    sum.handovers += period.handovers;
    sum.open_peak = std::max(sum.open_peak, period.open_peak);
    sum.in_use_peak = std::max(sum.in_use_peak, period.in_use_peak);
  }
  return sum;
}

uint64_t RecentNs(const Service& service, size_t count) {
  const uint64_t whole = std::min(count, service.periods.size());
  const uint64_t window = (whole - 1) * kHistoryPeriodNs + service.as_of_ns % kHistoryPeriodNs;
  return std::min(window, Since(service.as_of_ns, service.since_ns));
}

bool IsWorkedWith(const Held& open, uint64_t ns) {
  return open.connection->busy_since_ns != 0 ||
         IdleNs(*open.connection, open.snapshot->as_of_ns) < ns;
}

double BusyShare(const Service& service, size_t count) {
  const uint64_t window = RecentNs(service, count);
  auto busy = static_cast<double>(Recent(service, count).busy_ns);
  double held = 0;
  for (const Place& place : service.places) {
    for (const Held& open : place.open) {
      if (!IsWorkedWith(open, window)) continue;
      const uint64_t running = InUseNs(*open.connection, open.snapshot->as_of_ns);
      const uint64_t age = Since(open.snapshot->as_of_ns, open.connection->established_ns);
      busy += static_cast<double>(std::min(running, window));
      held += static_cast<double>(std::min(age, window));
    }
  }
  // Uses are booked when they end, with all that was before the window.
  return held == 0 ? 0 : std::min(1.0, busy / held);
}

std::optional<double> HandoverShare(const Service& service, size_t count) {
  constexpr uint64_t kEnoughChanges = 20;
  const Activity recent = Recent(service, count);
  if (recent.thread_changes < kEnoughChanges) return std::nullopt;
  return static_cast<double>(recent.handovers) / static_cast<double>(recent.thread_changes);
}

bool IsOfOneThread(const Place& place) {
  std::set<std::pair<const Snapshot*, uint64_t>> threads;
  std::set<const Snapshot*> processes;
  for (const Held& open : place.open) {
    threads.emplace(open.snapshot, open.connection->last_thread);
    processes.insert(open.snapshot);
  }
  return threads.size() == processes.size();
}

uint64_t QuickUseNs(const Service& service, size_t first, size_t last) {
  constexpr uint64_t kEnoughUses = 20;
  uint64_t quickest = 0;
  for (size_t i = first; i < std::min(last, service.periods.size()); ++i) {
    const Activity& period = service.periods[i];
    if (period.uses < kEnoughUses) continue;
    const uint64_t usual = period.busy_ns / period.uses;
    quickest = quickest == 0 ? usual : std::min(quickest, usual);
  }
  return quickest;
}

bool ServerIsFull(const Observation& observation) {
  for (const CapsPolicy& cap : observation.caps) {
    if (cap.server_full_ns) return true;
  }
  for (const Service& service : ServicesOf(observation)) {
    if (Recent(service, kServerFullPeriods).server_full != 0) return true;
  }
  return false;
}

namespace {

// Number of the service's first period.
uint64_t FirstPeriod(const Service& service) {
  const uint64_t last = service.as_of_ns / kHistoryPeriodNs;
  return last + 1 >= service.periods.size() ? last + 1 - service.periods.size() : 0;
}

}  // namespace

std::optional<uint64_t> ServerRefusesSince(const std::vector<Service>& services) {
  std::set<uint64_t> refusing;
  uint64_t now = 0;
  for (const Service& service : services) {
    now = std::max(now, service.as_of_ns / kHistoryPeriodNs);
    for (size_t i = 0; i < service.periods.size(); ++i) {
      if (service.periods[i].server_full != 0) refusing.insert(FirstPeriod(service) + i);
    }
  }
  uint64_t since = now;
  bool any = false;
  for (auto period = refusing.rbegin(); period != refusing.rend(); ++period) {
    if (*period + kServerFullPeriods < since) break;
    since = std::min(since, *period);
    any = true;
  }
  if (!any) return std::nullopt;
  return since;
}

uint64_t GrownAbout(const Service& service, uint64_t period) {
  uint64_t opened = 0;
  uint64_t closed = 0;
  for (size_t i = 0; i < service.periods.size(); ++i) {
    const uint64_t number = FirstPeriod(service) + i;
    if (number + 1 != period && number != period) continue;
    opened += service.periods[i].opened;
    closed += service.periods[i].closed;
  }
  return opened > closed ? opened - closed : 0;
}

std::string Named(const Service& service) {
  if (service.processes.size() == 1) return service.name;
  return fmt::format("{} processes of {}", service.processes.size(), service.name);
}

double ToTenths(double number) { return std::round(number * 10) / 10; }

std::string Percent(double share) { return fmt::format("{:.0f} %", share * 100); }

}  // namespace pqleash::reporter
