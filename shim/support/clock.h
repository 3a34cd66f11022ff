// SPDX-License-Identifier: Apache-2.0
//
// The kernel's time, not libc's. A host may have replaced clock_gettime (libfaketime, a test
// double). The time of such a clock means nothing to a futex, to the tool and to other processes.
//
// All functions are thread-safe and keep errno.

#ifndef PQLEASH_SHIM_SUPPORT_CLOCK_H_
#define PQLEASH_SHIM_SUPPORT_CLOCK_H_

#include <atomic>
#include <cstdint>
#include <ctime>

namespace pqleash {

// A function that reads a clock, from the vDSO or by a system call. It does not touch errno.
using ClockFunction = int (*)(clockid_t clock, timespec* now);
// The function in use. The first call finds it. Tests replace it.
extern std::atomic<ClockFunction> clock_function;

// Returns the time of `clock` in nanoseconds, or 0 if the kernel does not know the clock. Takes no
// lock, allocates nothing, and makes no system call if the vDSO supports the clock.
inline uint64_t ReadClock(clockid_t clock) {
  timespec now = {};
  clock_function.load(std::memory_order_relaxed)(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t Now() { return ReadClock(CLOCK_MONOTONIC); }

// CLOCK_MONOTONIC_COARSE lags by a few milliseconds and is seven times cheaper. For the path of a
// query.
inline uint64_t CoarseNow() { return ReadClock(CLOCK_MONOTONIC_COARSE); }

inline double ToSeconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_CLOCK_H_
