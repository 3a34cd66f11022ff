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

// Maps the shared board of `directory` (as of ledger::OpenDirectory) for reading and writing, and
// attaches `board` to it. Made with mode 0600 if it is not there and `create` says so. No
// descriptor stays open; the mapping does. It must be a regular file of user `uid`, and is never
// followed through a link. False: `problem` says why.
bool OpenSharedBoard(int directory, uid_t uid, uint64_t pid_namespace, bool create, Board* board,
                     char (&problem)[256]) noexcept;

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_BOARD_FILE_H_
