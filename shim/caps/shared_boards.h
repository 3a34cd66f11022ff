// SPDX-License-Identifier: Apache-2.0
//
// The shared board that a process uses. It is opened, tried again if it was not available, left
// when the process changes its user, and replaced if its file was removed and other processes have
// made a new one.
//
// A mapping is never removed, because other threads may be using it. A board that was left shows
// zeros from then on. No descriptor stays open.

#ifndef PQLEASH_SHIM_CAPS_SHARED_BOARDS_H_
#define PQLEASH_SHIM_CAPS_SHARED_BOARDS_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "shim/caps/board.h"
#include "shim/caps/board_file.h"

namespace pqleash::caps {

// current(), number() and At() are thread-safe. The other functions are for one thread at a time.
class SharedBoards {
 public:
  // The most boards that a process can use one after the other. One more element of boards_ is
  // never attached and stands for 'no board'.
  static constexpr uint32_t kMost = 8;

  // `directory` is a path that must outlive this object; "": the board cannot be looked for again.
  // `uid` is the user whose board it is.
  void Use(const char* directory, uid_t uid, const BoardPlace& place);

  // Returns the current board. It is not attached if there is none.
  Board& current() { return boards_[number()]; }
  const Board& current() const { return boards_[number()]; }
  uint32_t number() const { return current_.load(std::memory_order_acquire); }
  Board& At(uint32_t number) { return boards_[number % (kMost + 1)]; }

  // Opens the board in `directory`, makes it if it does not exist, and makes it current. If that
  // fails, returns false, sets `problem`, and keeps the current board.
  bool Open(int directory, char (&problem)[256]);

  // Whether the process now runs as another user than when it mapped the board. Makes a system
  // call.
  bool OfAnotherUser() const;
  // Makes 'no board' current. The memory of the former board shows zeros from now on.
  void Leave();

  // Whether the board should be opened again: there is none, or its name now belongs to another
  // file.
  bool Outdated() const;
  // Opens the directory and the board in it. Returns like Open.
  bool OpenAgain(char (&problem)[256]);
  // Opens the directory for reading. Returns -1 if it does not exist. The caller closes the
  // descriptor.
  int OpenDirectory() const;

 private:
  Board boards_[kMost + 1];
  std::atomic<uint32_t> current_ = kMost;
  uint32_t used_ = 0;
  BoardFile file_ = {};  // identifies the current board's file
  const char* directory_ = "";
  uid_t uid_ = 0;
  uid_t kernel_uid_ = 0;
  BoardPlace place_ = {};
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_SHARED_BOARDS_H_
