// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_LINK_MAP_H_
#define PQLEASH_SHIM_SUPPORT_LINK_MAP_H_

#include <link.h>

namespace pqleash {

// Returns the dynamic linker's list of loaded objects. The first element is the main program.
// Returns nullptr if the list cannot be found. The list is that of the base namespace; those of
// dlmopen have their own. Calls nothing of libc, and works before this library is relocated.
// Thread-safe.
//
// The objects that a program starts with come before those that it loads later, and are never
// unloaded (glibc, elf/dl-close.c). So the list can be walked as far as libc at any time, without
// the linker's lock.
const link_map* FirstLoadedObject();

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_LINK_MAP_H_
