// SPDX-License-Identifier: Apache-2.0
//
// Boards of other versions of the library in the same directory and place, as a rolling upgrade
// leaves them: what is in use there counts towards the limits here. Read through a descriptor, not
// mapped: files of unknown libraries are nothing to be ended by.

#ifndef PQLEASH_SHIM_CAPS_OTHER_BOARDS_H_
#define PQLEASH_SHIM_CAPS_OTHER_BOARDS_H_

#include <sys/types.h>

#include <cstdint>

#include "shim/caps/board_place.h"
#include "shim/caps/layout.h"

namespace pqleash::caps {

// Versions above our own that are looked for.
inline constexpr uint32_t kVersionsAhead = 6;

// What of a policy is in use on the others: asked by name, service and scope.
struct Sought {
  const Policy* policy;
  const char* service;
  uint32_t use;
};

// Adds up the use of `count` policies on boards of other versions in `directory` that belong to
// `uid` and have a process that lives. Returns how many boards there are. Version 1 has no core and
// is known by its layout. errno is kept.
uint32_t CountOnOtherBoards(int directory, uid_t uid, const BoardPlace& place, Sought* sought,
                            uint32_t count) noexcept;

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_OTHER_BOARDS_H_
