// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/owner_lock.h"

#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>

#include "shim/support/futex.h"
#include "shim/support/hash.h"
#include "shim/support/host_state.h"
#include "shim/support/liveness.h"
#include "shim/support/raw_syscall.h"

namespace pqleash::caps {

namespace {

constexpr uint64_t kNumber = (1u << 22) - 1;
constexpr uint64_t kNoTid = uint64_t{1} << 30;
constexpr uint64_t kSleepers = uint64_t{1} << 31;
constexpr uint32_t kProcessAt = 32;
constexpr uint32_t kStartAt = 54;

// The lock is held for microseconds only.
constexpr uint32_t kSpins = 100;
// How long a thread sleeps before it looks at the holder and the word again. A wake may be lost,
// because a process can die before it sends one.
constexpr uint64_t kLookNs = 5'000'000;
constexpr uint64_t kFirstLookNs = 1'000'000;
// The bound of the loop, whatever other processes write into the word.
constexpr uint32_t kMaxTurns = 10'000;

// The process, if few system calls may be made; else 0.
constinit std::atomic<LockOwner> few_calls = 0;

pid_t ThreadOf(LockOwner owner) { return static_cast<pid_t>(owner & kNumber); }
uint64_t StartOf(LockOwner owner) { return owner >> kStartAt; }

uint64_t Load(const uint64_t* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

bool Exchange(uint64_t* word, uint64_t from, uint64_t to, int order) {
  return __atomic_compare_exchange_n(word, &from, to, false, order, __ATOMIC_RELAXED);
}

// Returns the half of the word that futex(2) compares: the one with kSleepers.
uint32_t* FutexOf(uint64_t* word) {
  return reinterpret_cast<uint32_t*>(word) + (std::endian::native == std::endian::big ? 1 : 0);
}

// Whether the holder has ended. If `thoroughly` is set, also checks in /proc whether the pid now
// belongs to another process.
bool Dead(LockOwner holder, LockOwner self, bool thoroughly) {
  const pid_t process = ProcessOf(holder);
  const pid_t thread = ThreadOf(holder);
  if (process == 0 || thread == 0) return true;  // the word was damaged
  if (few_calls.load(std::memory_order_relaxed) != 0) return false;
  if (process != ProcessOf(self) && !Running(process)) return true;
  if ((holder & kNoTid) == 0 && RawSyscall(SYS_tgkill, static_cast<uintptr_t>(process),
                                           static_cast<uintptr_t>(thread), 0) == -ESRCH)
    return true;
  if (!thoroughly || StartOf(holder) == 0) return false;
  const uint64_t start = ReadMarks(process).start_ticks & (UINT64_MAX >> kStartAt);
  return start != 0 && start != StartOf(holder);
}

Taken TakeSlowly(uint64_t* word, LockOwner owner, uint64_t patience_ns) {
  const HostStateKeeper keeper;
  WaitClock clock;
  const uint64_t until = clock.Now() + patience_ns;
  uint64_t before = 0;
  uint32_t unchanged = 0;
  for (uint32_t turn = 0; turn < kMaxTurns; ++turn) {
    uint64_t seen = Load(word);
    if (seen == 0) {
      // Other threads may be sleeping too. If this thread had to wait, its release wakes one more.
      if (Exchange(word, 0, owner | (turn != 0 ? kSleepers : 0), __ATOMIC_ACQUIRE))
        return Taken::kFree;
      continue;
    }
    unchanged = (seen & ~kSleepers) == before ? unchanged + 1 : 0;
    before = seen & ~kSleepers;
    if ((unchanged != 0 || patience_ns == 0) && Dead(seen, owner, unchanged > 1)) {
      if (Exchange(word, seen, owner | kSleepers, __ATOMIC_ACQUIRE)) return Taken::kFromDead;
      continue;
    }
    const uint64_t now = clock.Now();
    if (now >= until) return Taken::kBusy;
    if ((seen & kSleepers) == 0) {
      if (!Exchange(word, seen, seen | kSleepers, __ATOMIC_RELAXED)) continue;
      seen |= kSleepers;
    }
    const uint64_t look = unchanged == 0 ? kFirstLookNs : kLookNs;
    clock.Sleep(FutexOf(word), static_cast<uint32_t>(seen), std::min(until, now + look));
  }
  return Taken::kBusy;
}

}  // namespace

LockOwner ProcessOwner(pid_t process, uint64_t start_ticks) noexcept {
  return (static_cast<uint64_t>(process) & kNumber) << kProcessAt | start_ticks << kStartAt;
}

void UseFewCalls(LockOwner process) noexcept {
  few_calls.store(process, std::memory_order_relaxed);
}

LockOwner ThisThread(LockOwner process) noexcept {
  if (const LockOwner known = few_calls.load(std::memory_order_relaxed)) {
    const uint64_t own = Mix(reinterpret_cast<uintptr_t>(&errno), 0) & kNumber;
    return known | kNoTid | std::max<uint64_t>(own, 1);
  }
  const auto self = static_cast<pid_t>(RawSyscall(SYS_getpid, 0));
  const auto thread = static_cast<uint64_t>(RawSyscall(SYS_gettid, 0));
  return (thread & kNumber) | (ProcessOf(process) == self ? process : ProcessOwner(self, 0));
}

Taken TakeLock(uint64_t* word, LockOwner owner, uint64_t patience_ns) noexcept {
  for (uint32_t spin = 0; spin < kSpins; ++spin) {
    const uint64_t seen = Load(word);
    if (seen == 0) {
      if (Exchange(word, 0, owner, __ATOMIC_ACQUIRE)) return Taken::kFree;
    } else if ((seen & ~kSleepers) == owner) {
      return Taken::kBusy;
    }
  }
  return TakeSlowly(word, owner, patience_ns);
}

void ReleaseLock(uint64_t* word, LockOwner owner) noexcept {
  uint64_t seen = Load(word);
  while ((seen & ~kSleepers) == owner) {
    if (!__atomic_compare_exchange_n(word, &seen, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
      continue;
    if ((seen & kSleepers) == 0) return;
    const ErrnoKeeper keeper;
    FutexWake(FutexOf(word), 1);
    return;
  }
}

}  // namespace pqleash::caps
