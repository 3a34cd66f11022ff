// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_FUTEX_H_
#define PQLEASH_SHIM_SUPPORT_FUTEX_H_

#include <linux/futex.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

#include "shim/support/clock.h"
#include "shim/support/raw_syscall.h"

namespace pqleash {

// Sleeps while `word` is `value`, for `patience` ns at most. May return early. True: it has slept
// for all of that, as the kernel says. Works between processes that map the same file. futex(2),
// FUTEX_WAIT: its time-out is relative, so that no clock has a say in it.
inline bool FutexWaitFor(uint32_t* word, uint32_t value, uint64_t patience) {
  const timespec relative = {static_cast<time_t>(patience / 1'000'000'000),
                             static_cast<long>(patience % 1'000'000'000)};
  return RawSyscall(SYS_futex, reinterpret_cast<uintptr_t>(word), FUTEX_WAIT, value,
                    reinterpret_cast<uintptr_t>(&relative)) == -ETIMEDOUT;
}

// The same until the moment `until` of Now().
inline bool FutexWait(uint32_t* word, uint32_t value, uint64_t until) {
  const uint64_t now = Now();
  return until <= now || FutexWaitFor(word, value, until - now);
}

inline void FutexWake(uint32_t* word, int count) {
  RawSyscall(SYS_futex, reinterpret_cast<uintptr_t>(word), FUTEX_WAKE,
             static_cast<uintptr_t>(count));
}

// The time of one wait that takes several sleeps. What has been slept has passed, whatever the
// clock says: a clock that stands still (a system call that somebody answers in the kernel's place)
// cannot make the wait endless.
class WaitClock {
 public:
  WaitClock() = default;
  // Goes on from the ahead() of an earlier one.
  explicit WaitClock(uint64_t ahead) : ahead_(ahead) {}

  uint64_t Now() const { return pqleash::Now() + ahead_; }

  // As FutexWait, until the moment `until` of this clock.
  void Sleep(uint32_t* word, uint32_t value, uint64_t until) {
    const uint64_t begin = Now();
    if (until <= begin || !FutexWaitFor(word, value, until - begin)) return;
    const uint64_t end = Now();
    if (end < until) ahead_ += until - end;
  }

  // By how much the clock is behind what has been slept, ns; 0 of one that goes.
  uint64_t ahead() const { return ahead_; }

 private:
  uint64_t ahead_ = 0;
};

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_FUTEX_H_
