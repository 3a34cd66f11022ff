// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CAPS_BOARD_LOCK_H_
#define PQLEASH_SHIM_CAPS_BOARD_LOCK_H_

#include "shim/caps/board.h"

namespace pqleash::caps {

// Holds the lock of a board until the end of a scope, if it got it.
//
// Usage: const BoardLock lock(this, now); if (!lock.held()) …go on without.
class BoardLock {
 public:
  BoardLock(Board* board, uint64_t now) : board_(board), owner_(board->Lock(now)) {}
  ~BoardLock() {
    if (owner_ != 0) board_->Unlock(owner_);
  }
  BoardLock(const BoardLock&) = delete;
  BoardLock& operator=(const BoardLock&) = delete;
  bool held() const { return owner_ != 0; }

 private:
  Board* board_;
  const LockOwner owner_;  // 0: not held
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_BOARD_LOCK_H_
