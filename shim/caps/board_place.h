// SPDX-License-Identifier: Apache-2.0
//
// Where a board belongs, and what it is called there.

#ifndef PQLEASH_SHIM_CAPS_BOARD_PLACE_H_
#define PQLEASH_SHIM_CAPS_BOARD_PLACE_H_

#include <cstddef>
#include <cstdint>

namespace pqleash::caps {

// All processes of a board can tell whether the others live, and compare moments: pid namespace,
// time namespace (time_namespaces(7) shifts CLOCK_MONOTONIC) and boot are the same. 0: not known.
struct BoardPlace {
  uint64_t pid_namespace;   // inode of /proc/self/ns/pid
  uint64_t time_namespace;  // inode of /proc/self/ns/time
  uint64_t boot;            // hash of /proc/sys/kernel/random/boot_id
  bool operator==(const BoardPlace&) const = default;
};

// Of the calling process. errno is kept.
BoardPlace ThisPlace() noexcept;

inline constexpr size_t kBoardNameSize = 96;

// 'caps-VERSION-PID NAMESPACE-TIME NAMESPACE-BOOT.board', of version 1 'caps-1-PID
// NAMESPACE.board'.
void NameBoard(uint32_t version, const BoardPlace& place, char (&name)[kBoardNameSize]) noexcept;

// What NameBoard has put together. False: nothing that a library of any version would write. `name`
// is NUL-terminated.
bool ParseBoardName(const char* name, uint32_t* version, BoardPlace* place) noexcept;

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_BOARD_PLACE_H_
