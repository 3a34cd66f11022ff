// SPDX-License-Identifier: Apache-2.0
//
// A spin lock with a bounded wait, for a few instructions of bookkeeping at a connect. It is never
// taken on the path of a query, and never held across a call into libpq, the dynamic linker or an
// interpreter.
//
// A thread that does not get the lock in time goes on without the bookkeeping and counts that. The
// bound exists because a thread of the host can die inside the lock (siglongjmp out of a signal
// handler, a fork at the wrong moment), and must not stop the others.

#ifndef PQLEASH_SHIM_SUPPORT_BOUNDED_LOCK_H_
#define PQLEASH_SHIM_SUPPORT_BOUNDED_LOCK_H_

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace pqleash {

// Not recursive. Valid as zero bytes, which are unlocked: it lives in memory fresh from mmap.
class BoundedLock {
 public:
  // Takes the lock. Returns false if it was not free within some 10,000 turns of the scheduler.
  bool Acquire() {
    for (uint32_t turn = 0; turn < kMaxTurns; ++turn) {
      if (word_.exchange(1, std::memory_order_acquire) == 0) return true;
      if (turn >= kSpins) sched_yield();
    }
    return false;
  }
  // REQUIRES: the caller holds the lock.
  void Release() { word_.store(0, std::memory_order_release); }

 private:
  static constexpr uint32_t kSpins = 64;
  static constexpr uint32_t kMaxTurns = 10'000;
  std::atomic<uint32_t> word_;
};

// Holds a lock until the end of a scope, if it got it.
//
// Usage: BoundedLockHolder lock(mutex); if (!lock.held()) { count; return; }
class BoundedLockHolder {
 public:
  explicit BoundedLockHolder(BoundedLock& lock) : lock_(lock), held_(lock.Acquire()) {}
  ~BoundedLockHolder() {
    if (held_) lock_.Release();
  }
  BoundedLockHolder(const BoundedLockHolder&) = delete;
  BoundedLockHolder& operator=(const BoundedLockHolder&) = delete;
  bool held() const { return held_; }

 private:
  BoundedLock& lock_;
  const bool held_;
};

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_BOUNDED_LOCK_H_
