// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CAPS_BOARD_LOCK_H_
#define PQLEASH_SHIM_CAPS_BOARD_LOCK_H_

#include "shim/caps/board.h"

namespace pqleash::caps {

// Usage: const BoardLock lock(this, now); if (!lock.held()) …go on without.
class BoardLock {
 public:
  BoardLock(Board* board, uint64_t now) : board_(board), held_(board->Lock(now)) {}
  ~BoardLock() {
    if (held_) board_->Unlock();
  }
  BoardLock(const BoardLock&) = delete;
  BoardLock& operator=(const BoardLock&) = delete;
  bool held() const { return held_; }

 private:
  Board* board_;
  const bool held_;
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_BOARD_LOCK_H_
