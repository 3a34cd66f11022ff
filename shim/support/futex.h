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

// Sleeps while `word` is `value`, for at most `patience` nanoseconds. May return early. Returns
// true if the kernel says that the thread has slept for the whole time. Works between processes
// that map the same file. The time-out of FUTEX_WAIT (futex(2)) is relative, so no clock can
// falsify it.
inline bool FutexWaitFor(uint32_t* word, uint32_t value, uint64_t patience) {
  const timespec relative = {static_cast<time_t>(patience / 1'000'000'000),
                             static_cast<long>(patience % 1'000'000'000)};
  return RawSyscall(SYS_futex, reinterpret_cast<uintptr_t>(word), FUTEX_WAIT, value,
                    reinterpret_cast<uintptr_t>(&relative)) == -ETIMEDOUT;
}

// The same, until Now() is `until`.
inline bool FutexWait(uint32_t* word, uint32_t value, uint64_t until) {
  const uint64_t now = Now();
  return until <= now || FutexWaitFor(word, value, until - now);
}

// Wakes at most `count` threads that sleep on `word`.
inline void FutexWake(uint32_t* word, int count) {
  RawSyscall(SYS_futex, reinterpret_cast<uintptr_t>(word), FUTEX_WAKE,
             static_cast<uintptr_t>(count));
}

// The clock of one wait that consists of several sleeps. Time that the thread has slept counts as
// passed, whatever the kernel's clock says. So a clock that stands still, for example because a
// program answers the system call in the kernel's place, cannot make the wait endless.
class WaitClock {
 public:
  WaitClock() = default;
  // Continues the clock of an earlier wait, whose ahead() is given.
  explicit WaitClock(uint64_t ahead) : ahead_(ahead) {}

  uint64_t Now() const { return pqleash::Now() + ahead_; }

  // Sleeps like FutexWait, until this clock says `until`.
  void Sleep(uint32_t* word, uint32_t value, uint64_t until) {
    const uint64_t begin = Now();
    if (until <= begin || !FutexWaitFor(word, value, until - begin)) return;
    const uint64_t end = Now();
    if (end < until) ahead_ += until - end;
  }

  // How far the kernel's clock lags behind the time slept, in nanoseconds. 0 for a clock that
  // works.
  uint64_t ahead() const { return ahead_; }

 private:
  uint64_t ahead_ = 0;
};

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_FUTEX_H_
