// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_CAPTURE_H_
#define PQLEASH_SHIM_STACK_CAPTURE_H_

#include "shim/stack/call_sites.h"

namespace pqleash::stack {

// Captures at most `depth` (1 to kMaxDepth) frames, beginning with `caller`, the return address of
// the wrapper that the host called: no frame of ours is in it. `loader` is the loader's state from
// before the call.
void CaptureFrom(const void* caller, uint32_t depth, const LoaderState& loader,
                 Stack* stack) noexcept;

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_CAPTURE_H_
