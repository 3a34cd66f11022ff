// SPDX-License-Identifier: Apache-2.0
//
// Where a call of libpq's would go without us.

#ifndef PQLEASH_SHIM_LIBPQ_DEFINITIONS_H_
#define PQLEASH_SHIM_LIBPQ_DEFINITIONS_H_

#include <link.h>

#include <cstdint>

namespace pqleash::libpq {

struct Definition {
  void* address = nullptr;  // nullptr: nothing defines it
  bool global = false;      // found by RTLD_NEXT: whoever interposes another function has its say
  uint32_t way = 0;         // ledger::LibpqWays
};

// The definition of `name` that a call from `caller` (a return address) would reach, see ForCaller.
// Asks the dynamic linker, and may leave the thread a message of its (dlerror).
Definition FindDefinition(const char* name, const void* caller) noexcept;

// The linker's record of the object that `address` lies in; nullptr: none. To be used while the
// object is known to stay.
const link_map* ObjectOf(const void* address) noexcept;

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_DEFINITIONS_H_
