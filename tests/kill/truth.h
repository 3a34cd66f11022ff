// SPDX-License-Identifier: Apache-2.0
//
// What the driver knows of itself: counters of each of its threads in memory that outlives it,
// raised before and after each operation. What is true of the ledger lies between the two.

#ifndef PQLEASH_TESTS_KILL_TRUTH_H_
#define PQLEASH_TESTS_KILL_TRUTH_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace pqleash::testing {

inline constexpr int kThreads = 3;  // of a process
inline constexpr int kHosts = 3;    // processes at a time; the last is the one that asks for places
inline constexpr int kPlaces = 2;   // of the cap "few"

// Each counter is written by one thread.
struct alignas(64) ThreadTruth {
  std::atomic<uint64_t> connecting;  // connects begun
  std::atomic<uint64_t> opened;      // of these, established
  std::atomic<uint64_t> failed;      // of these, not
  std::atomic<uint64_t> finishing;   // established ones passed to PQfinish
  std::atomic<uint64_t> closed;      // of these, returned
};

struct HostTruth {
  ThreadTruth threads[kThreads];
};

struct Truth {
  HostTruth hosts[kHosts];
};

// What the checker writes to the driver, which answers each with a Reply.
struct Order {
  enum What : int32_t {
    kStart,  // a host that works until it is killed
    kAsk,    // one that wants all places at once, and ends
    kWait,   // for the end of process `number`
  };
  What what;
  int32_t number;  // of the HostTruth, or the pid
  uint32_t seed;
};
struct Reply {
  int32_t value;  // the pid, or the wait status
};

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_KILL_TRUTH_H_
