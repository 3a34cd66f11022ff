// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/need.h"

#include <algorithm>
#include <map>

#include "reporter/snapshot/connection_times.h"

namespace pqleash::reporter {

uint64_t WithHeadroom(uint64_t connections, uint32_t headroom_percent) {
  // A hostile ledger may claim any number.
  const uint64_t bounded = std::min(connections, kLargestLimit);
  const uint64_t hundredths = bounded * (100 + uint64_t{headroom_percent});
  return std::clamp<uint64_t>((hundredths + 99) / 100, 1, kLargestLimit);
}

Need NeedOf(const Demand& demand, uint64_t waiting, bool leaks) {
  const uint64_t peak = demand.in_use_peak.connections;
  const uint64_t little = leaks ? 0 : demand.little;
  if (waiting != 0 && peak + waiting > little) return {Need::Basis::kWaiting, peak + waiting};
  if (little > peak) return {Need::Basis::kLittle, little};
  return {Need::Basis::kInUse, peak};
}

PlaceNeed NeedOfPlace(const std::vector<Snapshot>& snapshots, const CallSiteGroup& group,
                      const std::vector<size_t>& processes) {
  const auto counts = [&](size_t snapshot) {
    return std::binary_search(processes.begin(), processes.end(), snapshot);
  };
  std::map<size_t, uint64_t> forgotten;  // by snapshot
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    if (IsOpen(connection)) forgotten[place.snapshot] += IsForgotten(snapshot, connection);
  }
  PlaceNeed need;
  for (const CallSiteMember& member : group.members) {
    if (!counts(member.snapshot)) continue;
    const uint64_t peak = snapshots[member.snapshot].call_sites[member.call_site].in_use_peak;
    const uint64_t least = std::min<uint64_t>(peak, 1);
    const uint64_t needed = std::max(least, Since(peak, forgotten[member.snapshot]));
    need.connections += needed;
    need.of_process = std::max(need.of_process, needed);
  }
  return need;
}

uint64_t EnoughFor(const PlaceNeed& need, const Demand& demand, uint32_t headroom_percent) {
  if (!EachHasItsOwn(demand)) return WithHeadroom(need.connections, headroom_percent);
  const uint64_t each = WithHeadroom(need.of_process, headroom_percent);
  return std::min(demand.processes * each, kLargestLimit);
}

}  // namespace pqleash::reporter
