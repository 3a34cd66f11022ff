// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_UNDISTURBED_LOCK_H_
#define PQLEASH_SHIM_SUPPORT_UNDISTURBED_LOCK_H_

#include "shim/support/bounded_lock.h"
#include "shim/support/signals_blocked.h"

namespace pqleash {

// Holds a lock with the thread's signals blocked: otherwise a handler that leaves by siglongjmp
// would keep the lock. It waits longer than BoundedLockHolder, because on a busy machine the thread
// that holds the lock may not run for a while. Used like BoundedLockHolder. The code under it must
// not wait.
class UndisturbedLockHolder {
 public:
  explicit UndisturbedLockHolder(BoundedLock& lock) : lock_(lock) {
    for (int turn = 0; turn < kPatience && !held_; ++turn) held_ = lock_.Acquire();
  }
  ~UndisturbedLockHolder() {
    if (held_) lock_.Release();
  }
  UndisturbedLockHolder(const UndisturbedLockHolder&) = delete;
  UndisturbedLockHolder& operator=(const UndisturbedLockHolder&) = delete;
  bool held() const { return held_; }

 private:
  static constexpr int kPatience = 4;
  const SignalsBlocked blocked_;
  BoundedLock& lock_;
  bool held_ = false;
};

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_UNDISTURBED_LOCK_H_
