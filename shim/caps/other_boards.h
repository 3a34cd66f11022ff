// SPDX-License-Identifier: Apache-2.0
//
// Reads boards of other versions of the library in the same directory and place. A rolling upgrade
// leaves such boards, and what is in use there counts towards the limits here. They are read
// through a descriptor and not mapped, so that a file which another library shortens cannot end the
// process.

#ifndef PQLEASH_SHIM_CAPS_OTHER_BOARDS_H_
#define PQLEASH_SHIM_CAPS_OTHER_BOARDS_H_

#include <sys/types.h>

#include <cstdint>

#include "shim/caps/board_place.h"
#include "shim/caps/layout.h"

namespace pqleash::caps {

// How many versions above our own are looked for.
inline constexpr uint32_t kVersionsAhead = 6;

// A policy to look for on the other boards, by name, service and scope. `use` is the result.
struct Sought {
  const Policy* policy;
  const char* service;
  uint32_t use;
};

// Adds up the use of `count` policies on boards of other versions in `directory`. Only boards count
// that belong to `uid` and have a living process. Returns the number of these boards. Version 1 has
// no core and is recognised by its layout. Keeps errno. Thread-safe; no heap.
uint32_t CountOnOtherBoards(int directory, uid_t uid, const BoardPlace& place, Sought* sought,
                            uint32_t count) noexcept;

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_OTHER_BOARDS_H_
