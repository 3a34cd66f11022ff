// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_INTERPOSE_BOUND_H_
#define PQLEASH_SHIM_INTERPOSE_BOUND_H_

#include <cstdint>

#include "shim/interpose/function.h"

namespace pqleash {

// Copies of libpq whose functions can be handed out by dlsym: programs with more are not known.
inline constexpr uint32_t kBoundCopies = 4;

// The wrapper of `function` that calls copy number `copy` where the connection does not say which;
// nullptr: there is none for that number.
void* BoundWrapper(Function function, uint32_t copy);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_INTERPOSE_BOUND_H_
