// SPDX-License-Identifier: Apache-2.0
//
// The kernel's time, not libc's: a host may have replaced clock_gettime (libfaketime, a test's
// double), and a moment of that clock means nothing to a futex, to the tool and to other processes.

#ifndef PQLEASH_SHIM_SUPPORT_CLOCK_H_
#define PQLEASH_SHIM_SUPPORT_CLOCK_H_

#include <atomic>
#include <cstdint>
#include <ctime>

namespace pqleash {

// As the kernel offers it, in the vDSO or by a system call: errno is left alone.
using ClockFunction = int (*)(clockid_t clock, timespec* now);
// The one in use. The first call looks for it; tests put others there.
extern std::atomic<ClockFunction> clock_function;

// Nanoseconds; 0 of a clock that the kernel does not know. No lock, no allocation, and no system
// call where the vDSO has the clock.
inline uint64_t ReadClock(clockid_t clock) {
  timespec now = {};
  clock_function.load(std::memory_order_relaxed)(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t Now() { return ReadClock(CLOCK_MONOTONIC); }

// A few milliseconds coarse, and seven times cheaper: for the path of a query.
inline uint64_t CoarseNow() { return ReadClock(CLOCK_MONOTONIC_COARSE); }

inline double ToSeconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_CLOCK_H_
