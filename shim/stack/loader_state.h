// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_LOADER_STATE_H_
#define PQLEASH_SHIM_STACK_LOADER_STATE_H_

#include <link.h>

#include <cstdint>

#include "shim/support/hash.h"

namespace pqleash {

// How often the dynamic linker has added and removed objects (dl_iterate_phdr(3)). A new `removed`
// means that an address may name other code than before.
struct LoaderState {
  uint64_t added = 0;
  uint64_t removed = 0;

  uint64_t Hash() const { return Mix(added, removed); }
  bool operator==(const LoaderState&) const = default;
};

// Reads it: one uncontended lock of the linker's and one call back, some 30 ns.
inline LoaderState ReadLoaderState() {
  LoaderState state;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        *static_cast<LoaderState*>(data) = {info->dlpi_adds, info->dlpi_subs};
        return 1;
      },
      &state);
  return state;
}

}  // namespace pqleash

#endif  // PQLEASH_SHIM_STACK_LOADER_STATE_H_
