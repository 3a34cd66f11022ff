// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_FUTEX_H_
#define PQLEASH_SHIM_SUPPORT_FUTEX_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <ctime>

namespace pqleash {

// Sleeps while `word` is `value`, until the moment `until` (CLOCK_MONOTONIC, ns) at the latest. May
// return early. Works between processes that map the same file. futex(2), FUTEX_WAIT_BITSET: its
// time-out is a moment.
inline void FutexWait(uint32_t* word, uint32_t value, uint64_t until) {
  const timespec moment = {static_cast<time_t>(until / 1'000'000'000),
                           static_cast<long>(until % 1'000'000'000)};
  syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, &moment, nullptr, FUTEX_BITSET_MATCH_ANY);
}

inline void FutexWake(uint32_t* word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0);
}

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_FUTEX_H_
