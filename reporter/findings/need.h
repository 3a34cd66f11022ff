// SPDX-License-Identifier: Apache-2.0
//
// How many connections a service or a place of it needs, and how many to allow for that. What a
// finding's advice says ('a pool of 15 would do') and what `pqleash advise` proposes come from
// here. Pure.

#ifndef PQLEASH_REPORTER_FINDINGS_NEED_H_
#define PQLEASH_REPORTER_FINDINGS_NEED_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/findings/demand.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

inline constexpr uint32_t kHeadroomPercent = 25;
inline constexpr uint64_t kLargestLimit = 1'000'000;  // that configurations take

// `connections` and as much more, rounded up; at least 1, at most kLargestLimit.
uint64_t WithHeadroom(uint64_t connections, uint32_t headroom_percent = kHeadroomPercent);

// What a service needs at once. Connections that are idle, forgotten or leaked need no slot.
struct Need {
  enum class Basis {
    kInUse,    // what was in use at once
    kWaiting,  // and what waits at a cap
    kLittle,   // Little's law, of connections that live for a moment
  };
  Basis basis = Basis::kInUse;
  uint64_t connections = 0;
};

// `waiting`: at caps. `leaks`: the service leaves connections behind, so that how long they live is
// not how long they are needed (a collector of garbage closes them late), and Little's law says
// nothing.
Need NeedOf(const Demand& demand, uint64_t waiting, bool leaks);

// Whether processes keep connections of their own, which no other process can have: then what one
// process needs counts, times the processes.
inline bool EachHasItsOwn(const Demand& demand) {
  return demand.processes > 1 && !demand.short_lived;
}

// What one place needs at once. The ledger has peaks of a place alone, so that of several processes
// they are added up.
struct PlaceNeed {
  uint64_t connections = 0;
  uint64_t of_process = 0;  // in one process: the largest
};

// Of `group` in `processes`, indexes into `snapshots` in ascending order.
PlaceNeed NeedOfPlace(const std::vector<Snapshot>& snapshots, const CallSiteGroup& group,
                      const std::vector<size_t>& processes);

// How many connections would do for a place with this need, in all processes of its service.
uint64_t EnoughFor(const PlaceNeed& need, const Demand& demand,
                   uint32_t headroom_percent = kHeadroomPercent);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_NEED_H_
