// SPDX-License-Identifier: Apache-2.0
//
// Finds the definition that a call of a libpq function would reach without pqleash.

#ifndef PQLEASH_SHIM_LIBPQ_DEFINITIONS_H_
#define PQLEASH_SHIM_LIBPQ_DEFINITIONS_H_

#include <link.h>

#include <cstdint>

namespace pqleash::libpq {

struct Definition {
  void* address = nullptr;  // nullptr if no object defines the function
  bool global = false;      // found by RTLD_NEXT, so other objects that interpose stay in effect
  uint32_t way = 0;         // ledger::LibpqWays
};

// Returns the definition of `name` that a call from the return address `caller` would reach; see
// ForCaller. Asks the dynamic linker, which may leave an error message on this thread (dlerror).
// Thread-safe.
Definition FindDefinition(const char* name, const void* caller) noexcept;

// Returns the linker's record of the object that contains `address`, or nullptr. The record may be
// used only while the object is known to stay loaded.
const link_map* ObjectOf(const void* address) noexcept;

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_DEFINITIONS_H_
