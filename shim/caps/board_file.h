// SPDX-License-Identifier: Apache-2.0
//
// The file of the shared board.

#ifndef PQLEASH_SHIM_CAPS_BOARD_FILE_H_
#define PQLEASH_SHIM_CAPS_BOARD_FILE_H_

#include <sys/types.h>

#include <cstdint>

#include "shim/caps/board.h"

namespace pqleash::caps {

// Makes the pages behind [begin, begin + size), so that a store cannot end the process with SIGBUS
// on a full tmpfs.
bool MakePages(void* begin, size_t size) noexcept;

// Which file a board was mapped from.
struct BoardFile {
  dev_t device;
  ino_t inode;
};

// Maps the shared board of `directory` (as of ledger::OpenDirectory) for reading and writing, and
// attaches `board` to it. Made if it is not there and `create` says so, with mode 0400: a file that
// is shortened ends all who have it mapped, and so only who means to can open it for writing. No
// descriptor stays open; the mapping does, though not in forked children, where zeros take its
// place. It must be a regular file of user `uid`, and is never followed through a link. False:
// `problem` says why. `file` may be nullptr.
bool OpenSharedBoard(int directory, uid_t uid, const BoardPlace& place, bool create, Board* board,
                     char (&problem)[256], BoardFile* file = nullptr) noexcept;

// Puts zeros of the process's own where `board` is mapped, for threads that are in it still.
void EmptyBoard(Board* board) noexcept;

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_BOARD_FILE_H_
