// SPDX-License-Identifier: Apache-2.0
//
// The decision: whether a policy has room for one more connect. Pure.

#ifndef PQLEASH_SHIM_CAPS_LIMITS_H_
#define PQLEASH_SHIM_CAPS_LIMITS_H_

#include <cstdint>

#include "shim/caps/layout.h"

namespace pqleash::caps {

inline constexpr uint64_t kNever = UINT64_MAX;

// Moments of threads that look at one clock at the same time lie no further apart than that. A
// stored moment beyond its largest possible value by more is another clock's or somebody's
// invention: it holds nobody back.
inline constexpr uint64_t kApartNs = 1'000'000'000;

// How long a count of what is in use on other boards is believed.
inline constexpr uint64_t kElsewhereNs = 10'000'000'000;
uint32_t ElsewhereUse(const Record& record, uint64_t now);

// Places that a cap has left.
uint32_t RoomOf(const Record& record, uint64_t now);

// The moment from which on `record` has room, by the passing of time alone: `now` or before if it
// has room at `now`; kNever if something else has to happen first.
uint64_t RoomAt(const Record& record, uint64_t now);

inline bool HasRoom(const Record& record, uint64_t now) { return RoomAt(record, now) <= now; }

// How long a pace waits after the server has refused `probes` + 1 times in a row: 100 ms, doubled
// each time up to 10 s, and varied by a quarter either way with `seed`, so that services that were
// refused together do not come back together.
uint64_t Backoff(uint32_t probes, uint64_t seed);

// Of a moment `now` at which a pace lets one connect go: when its bucket is full again. A connect
// that only warns finds the bucket empty and takes nothing from it, so that a flood of warnings
// does not have to be paid back once the pace holds connects back.
uint64_t FullAtAfter(const Record& record, uint64_t now);

// When the bucket would be full again without the latest connect that was let go.
uint64_t FullAtBefore(const Record& record);

// The latest moment at which the bucket can be full again, as seen at `now`: when it is empty now.
// After a change of the rate what was taken at the old one counts no more than that.
uint64_t FullAtMost(const Record& record, uint64_t now);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_LIMITS_H_
