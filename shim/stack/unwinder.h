// SPDX-License-Identifier: Apache-2.0
//
// The call stack of the current thread, by call frame information (cfi.h), fast enough for every
// connect and with the manners of a guest: no heap, no file descriptor, no lock of our own, no
// library loaded, errno kept.
//
// Why our own. libunwind's unw_backtrace() is as fast, but holds a pipe open in the host and writes
// a byte into it to validate addresses (after the host's closefrom(3) into whatever took over the
// number), fills 256 KiB for every thread, never notices dlclose and changes the signal mask.
// glibc's backtrace() takes some 90 ns a frame and loads libgcc_s into hosts that did without it.
//
// How. The rule that leads from a pc to its caller is a pure function of the loaded code, so rules
// are kept in one table for the process; the warm path is a look-up and two loads of stack memory a
// frame. A rule that is not in the table is computed inside dl_iterate_phdr, whose lock keeps the
// object mapped meanwhile; that is the only lock, and it is the loader's.

#ifndef PQLEASH_SHIM_STACK_UNWINDER_H_
#define PQLEASH_SHIM_STACK_UNWINDER_H_

#include <cstddef>
#include <cstdint>

namespace pqleash::stack {

enum class StackEnd : uint8_t {
  kOutermost,   // the walk came to code that nobody called: the stack is complete
  kTruncated,   // there are more frames than the capacity
  kIncomplete,  // gave up earlier: code without rules, damaged memory, a frame beyond our rules
};

enum class StackMethod : uint8_t {
  kCfi,           // every frame by call frame information: exact
  kFramePointer,  // from a call of C on by the frame pointers of Go (go_call.h): exact
  kBacktrace,     // from some frame on by libgcc's unwinder, the one behind glibc's backtrace()
};

struct CaptureResult {
  StackEnd end;
  StackMethod method;
};

// The out-of-line part of CaptureStack: call that instead. The frames begin at the return address
// of the function whose code the call is in.
int CaptureStackOfCaller(void** return_addresses, int capacity, uint64_t generation,
                         CaptureResult* result) noexcept;

// Writes to the `size` bytes of stack below the caller's frame, so that the kernel makes them, and
// takes them for readable in later walks of this thread. For the first thread, whose stack is let
// grow: on another one the caller must know that there is so much.
void UseStackBelow(size_t size) noexcept;

// Stores return addresses, innermost first, beginning with the return address of the function that
// calls it (keep that function from being inlined), and returns how many: 0 to `capacity`. Where a
// signal handler is on the stack, the entry behind that of the trampoline is the pc that was
// interrupted, not a return address.
//
// `generation` tells one set of loaded objects from the next: a value that never returns to an
// earlier one and differs after every dlclose, such as dlpi_subs of dl_iterate_phdr, read before
// the call. Rules computed under another generation are not used.
//
// Any thread, any stack (coroutines, PTHREAD_STACK_MIN), from constructors. In a signal handler the
// first visit of a pc, which enters dl_iterate_phdr, is as unsafe as throwing an exception is: it
// must not have interrupted the dynamic linker. (Interrupting a walk does no harm: frames that
// would need the linker then are given up.) Damaged stacks end the walk, they do not crash it:
// memory is read only on pages that were seen to be readable. Needs the caller to have unwind
// tables (the default of gcc and clang on both of our architectures, even with -fno-exceptions).
// Takes at most 4 KiB of stack.
[[gnu::always_inline]] inline int CaptureStack(void** return_addresses, int capacity,
                                               uint64_t generation,
                                               CaptureResult* result) noexcept {
  const int count = CaptureStackOfCaller(return_addresses, capacity, generation, result);
  asm volatile("" ::: "memory");  // not a tail call: that would take our caller off the stack
  return count;
}

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_UNWINDER_H_
