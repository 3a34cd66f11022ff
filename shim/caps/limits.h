// SPDX-License-Identifier: Apache-2.0
//
// Decides whether a policy has room for one more connect. Pure and thread-safe. Records may contain
// any bytes; arithmetic saturates. Times are CLOCK_MONOTONIC in nanoseconds.

#ifndef PQLEASH_SHIM_CAPS_LIMITS_H_
#define PQLEASH_SHIM_CAPS_LIMITS_H_

#include <cstdint>

#include "shim/caps/layout.h"

namespace pqleash::caps {

// The answer when no passing of time makes room.
inline constexpr uint64_t kNever = UINT64_MAX;

// Two threads that read one clock at the same time get values no further apart than this. If a
// stored time exceeds its largest possible value by more than this, it comes from another clock or
// was made up. It then holds no connect back.
inline constexpr uint64_t kApartNs = 1'000'000'000;

// How long a count of what is in use on other boards is believed.
inline constexpr uint64_t kElsewhereNs = 10'000'000'000;
// Returns how many connections of a cap are in use on other boards, or 0 if the count is too old.
uint32_t ElsewhereUse(const Record& record, uint64_t now);

// Returns the number of places that a cap has left.
uint32_t RoomOf(const Record& record, uint64_t now);

// Returns the time from which `record` has room if only time passes. The result is at most `now` if
// it has room at `now`, and kNever if something else must happen first.
uint64_t RoomAt(const Record& record, uint64_t now);

inline bool HasRoom(const Record& record, uint64_t now) { return RoomAt(record, now) <= now; }

// Returns how long a pace waits after the server has refused `probes` + 1 connects in a row. The
// time is 100 ms, doubled with each probe up to 10 s, and varied with `seed` by up to a quarter
// either way. The variation keeps services that were refused together from coming back together.
uint64_t Backoff(uint32_t probes, uint64_t seed);

// Returns when the bucket is full again after a pace has let one connect go at `now`. A connect
// that only warns finds the bucket empty and takes nothing from it. So a flood of warnings need not
// be paid back when the pace begins to hold connects back.
uint64_t FullAtAfter(const Record& record, uint64_t now);

// Returns when the bucket would be full again without the latest connect that was let go.
uint64_t FullAtBefore(const Record& record);

// Returns the latest time at which the bucket can be full again, as seen at `now`: the bucket is
// empty now. After a change of the rate this bounds what connects have taken at the old rate.
uint64_t FullAtMost(const Record& record, uint64_t now);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_LIMITS_H_
