// SPDX-License-Identifier: Apache-2.0
//
// Where Go calls C. A goroutine has a small stack of its own, and runtime.asmcgocall changes to the
// thread's stack for the call; there is no call frame information that leads back. On its frame it
// leaves which goroutine called (g), and how deep below the end of that goroutine's stack it was:
// the code behind the call, which goes back by the two, says where they lie.
//
// Source: runtime/asm_amd64.s (asmcgocall) of Go, whose frame has had two layouts; tried with
// Go 1.19. Everything that Go compiles for amd64 keeps frame pointers from there on (since 1.7),
// and a goroutine's stack does not move while it is in C (runtime/stack.go, isShrinkStackSafe).

#ifndef PQLEASH_SHIM_STACK_GO_CALL_H_
#define PQLEASH_SHIM_STACK_GO_CALL_H_

#include <cstddef>
#include <cstdint>

namespace pqleash::stack {

struct GoCall {
  uint8_t g_offset;      // from SP at the call: the address of the goroutine's g
  uint8_t depth_offset;  // from SP at the call: bytes from the goroutine's SP to its stack's end
};

// g begins with the bounds of its stack (runtime/runtime2.go, type g).
inline constexpr size_t kGoStackLow = 0;
inline constexpr size_t kGoStackHigh = 8;
// runtime/proc.go, main: a stack may grow to 1,000,000,000 bytes and no further by default.
inline constexpr uintptr_t kMaxGoStack = uintptr_t{1} << 32;

// How much code DecodeGoCall looks at.
inline constexpr size_t kGoCallCode = 48;

// Whether `code`, kGoCallCode bytes at a return address, is that of asmcgocall behind the call of C
// on another stack. Pure.
bool DecodeGoCall(const uint8_t* code, GoCall* call);

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_GO_CALL_H_
