// SPDX-License-Identifier: Apache-2.0
//
// Opens the file of the shared board. No exceptions. Thread-safe.

#ifndef PQLEASH_SHIM_CAPS_BOARD_FILE_H_
#define PQLEASH_SHIM_CAPS_BOARD_FILE_H_

#include <sys/types.h>

#include <cstdint>

#include "shim/caps/board.h"

namespace pqleash::caps {

// Makes the pages behind [begin, begin + size). Without that a store would end the process with
// SIGBUS on a full tmpfs. Returns false if there is no room. May change errno.
bool MakePages(void* begin, size_t size) noexcept;

// Identifies the file that a board was mapped from.
struct BoardFile {
  dev_t device;
  ino_t inode;
};

// Maps the shared board for `place` in `directory`, a descriptor as ledger::OpenDirectory returns
// it, and attaches `board` to it. If the file does not exist and `create` is set, makes it.
//
// The file has mode 0400. A process that shortens the file ends all processes that have it mapped,
// so it must not be possible to open it for writing by accident. The file must be a regular file of
// user `uid`; a link is not followed.
//
// No descriptor stays open. The mapping stays for the life of the process, but not in forked
// children, where zeros take its place. Returns false and sets `problem` if it fails. `file` may be
// nullptr. errno is kept.
bool OpenSharedBoard(int directory, uid_t uid, const BoardPlace& place, bool create, Board* board,
                     char (&problem)[256], BoardFile* file = nullptr) noexcept;

// Replaces the mapping of `board` by zeros that belong to this process alone. Threads that are
// still using the board see the zeros.
void EmptyBoard(Board* board) noexcept;

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_BOARD_FILE_H_
