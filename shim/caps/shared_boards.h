// SPDX-License-Identifier: Apache-2.0
//
// The shared board that a process uses: opened, asked for again where it was not to be had, left
// when the process changes its user, followed where its file was removed and others made a new one.
//
// A mapping is never taken away, since other threads may be in it: one that was left shows zeros
// from then on. No descriptor stays open.

#ifndef PQLEASH_SHIM_CAPS_SHARED_BOARDS_H_
#define PQLEASH_SHIM_CAPS_SHARED_BOARDS_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "shim/caps/board.h"
#include "shim/caps/board_file.h"

namespace pqleash::caps {

// All but current(), number() and At() are for one thread at a time.
class SharedBoards {
 public:
  // The last is none: not attached, ever.
  static constexpr uint32_t kMost = 8;

  // `directory` as a path, "": it cannot be looked for again. `uid`: whose board it is.
  void Use(const char* directory, uid_t uid, const BoardPlace& place);

  // Not attached: there is none.
  Board& current() { return boards_[number()]; }
  const Board& current() const { return boards_[number()]; }
  uint32_t number() const { return current_.load(std::memory_order_acquire); }
  Board& At(uint32_t number) { return boards_[number % (kMost + 1)]; }

  // Opens a board in `directory`, made if it is not there: the current one from then on. False:
  // `problem` says why, and the current one stays.
  bool Open(int directory, char (&problem)[256]);

  // The process runs as another user than the one whose board it has mapped. A system call.
  bool OfAnotherUser() const;
  // The current one is none from now on, and the memory of the former shows zeros.
  void Leave();

  // Whether the board is to be opened again: there is none, or the file of its name is another.
  bool Outdated() const;
  // Opens the directory, and the board in it. As Open.
  bool OpenAgain(char (&problem)[256]);
  // The directory, for reading; -1: there is none. The caller closes it.
  int OpenDirectory() const;

 private:
  Board boards_[kMost + 1];
  std::atomic<uint32_t> current_ = kMost;
  uint32_t used_ = 0;
  BoardFile file_ = {};  // of the current one
  const char* directory_ = "";
  uid_t uid_ = 0;
  uid_t kernel_uid_ = 0;
  BoardPlace place_ = {};
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_SHARED_BOARDS_H_
