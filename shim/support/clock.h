// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_CLOCK_H_
#define PQLEASH_SHIM_SUPPORT_CLOCK_H_

#include <cstdint>
#include <ctime>

namespace pqleash {

inline uint64_t ReadClock(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t Now() { return ReadClock(CLOCK_MONOTONIC); }

// A few milliseconds coarse, and seven times cheaper: for the path of a query.
inline uint64_t CoarseNow() { return ReadClock(CLOCK_MONOTONIC_COARSE); }

inline double ToSeconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_CLOCK_H_
