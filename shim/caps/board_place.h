// SPDX-License-Identifier: Apache-2.0
//
// The place that a board is for, and the name of its file. Thread-safe.

#ifndef PQLEASH_SHIM_CAPS_BOARD_PLACE_H_
#define PQLEASH_SHIM_CAPS_BOARD_PLACE_H_

#include <cstddef>
#include <cstdint>

namespace pqleash::caps {

// A place is a pid namespace, a time namespace and a boot. Processes of one place can tell whether
// the others are alive, and can compare moments (time_namespaces(7) shifts CLOCK_MONOTONIC). 0
// means not known.
struct BoardPlace {
  uint64_t pid_namespace;   // inode of /proc/self/ns/pid
  uint64_t time_namespace;  // inode of /proc/self/ns/time
  uint64_t boot;            // hash of /proc/sys/kernel/random/boot_id
  bool operator==(const BoardPlace&) const = default;
};

// Returns the place of the calling process. Keeps errno.
BoardPlace ThisPlace() noexcept;

inline constexpr size_t kBoardNameSize = 96;

// Writes the file name of a board: 'caps-VERSION-PIDNAMESPACE-TIMENAMESPACE-BOOT.board', or for
// version 1 'caps-1-PIDNAMESPACE.board'. VERSION and the namespaces are decimal, BOOT is
// hexadecimal.
void NameBoard(uint32_t version, const BoardPlace& place, char (&name)[kBoardNameSize]) noexcept;

// Parses a name that NameBoard has made. Returns false for any name that no version of the library
// would write. `name` must be NUL-terminated.
bool ParseBoardName(const char* name, uint32_t* version, BoardPlace* place) noexcept;

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_BOARD_PLACE_H_
