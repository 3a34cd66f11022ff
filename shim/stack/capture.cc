// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/capture.h"

#include <algorithm>
#include <cstring>

#include "shim/stack/unwinder.h"

namespace pqleash::stack {

namespace {

// Frames of ours between here and the host, at most, however the compiler inlined them.
constexpr uint32_t kMaxOwnFrames = 15;

uint16_t Flags(StackEnd end, bool cut) {
  if (cut || end == StackEnd::kTruncated) return ledger::kStackTruncated;
  return end == StackEnd::kIncomplete ? ledger::kStackIncomplete : 0;
}

}  // namespace

void CaptureFrom(const void* caller, uint32_t depth, const LoaderState& loader,
                 Stack* stack) noexcept {
  stack->script_count = 0;
  stack->interpreter = nullptr;
  void* addresses[kMaxDepth + kMaxOwnFrames];
  CaptureResult result;
  // Asked for as much as is needed, and not for more: a frame has its price.
  const auto captured = static_cast<uint32_t>(
      CaptureStack(addresses, static_cast<int>(depth + kMaxOwnFrames), loader.removed, &result));
  void** end = addresses + captured;
  void** first = std::find(addresses, std::min(end, addresses + kMaxOwnFrames), caller);
  if (first == end || *first != caller) {
    // The walk never came out of our own code: the caller alone is still worth recording.
    stack->count = 1;
    stack->flags = ledger::kStackIncomplete;
    stack->addresses[0] = caller;
    return;
  }
  const auto found = static_cast<uint32_t>(end - first);
  stack->count = std::min(found, depth);
  stack->flags = Flags(result.end, found > depth);
  memcpy(stack->addresses, first, stack->count * sizeof(void*));
}

}  // namespace pqleash::stack
