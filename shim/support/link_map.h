// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_LINK_MAP_H_
#define PQLEASH_SHIM_SUPPORT_LINK_MAP_H_

#include <link.h>

namespace pqleash {

// The dynamic linker's list of loaded objects, from its first one, the main program, on; nullptr:
// cannot be found. Of the base namespace: dlmopen's have lists of their own. Calls nothing of libc,
// and works before this library is relocated.
//
// What a program starts with comes before everything that it loads later, and is never unloaded
// (glibc, elf/dl-close.c): up to libc the list can be walked at any time, without the linker's
// lock.
const link_map* FirstLoadedObject();

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_LINK_MAP_H_
