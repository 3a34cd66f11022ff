// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_OWN_CODE_H_
#define PQLEASH_SHIM_SUPPORT_OWN_CODE_H_

#include <cstdint>

namespace pqleash {

namespace internal {
// The first byte of this shared object and the end of its code, placed by the linker.
extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start[];
extern "C" __attribute__((visibility("hidden"))) const char etext[];
}  // namespace internal

// Whether `address` lies in this library's own code.
inline bool OwnCode(const void* address) {
  const auto value = reinterpret_cast<uintptr_t>(address);
  return value >= reinterpret_cast<uintptr_t>(internal::__ehdr_start) &&
         value < reinterpret_cast<uintptr_t>(internal::etext);
}

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_OWN_CODE_H_
