// SPDX-License-Identifier: Apache-2.0
//
// One stack, taken at the same place by the unwinder under test and by the oracles.

#ifndef PQLEASH_TESTS_STACK_CAPTURE_H_
#define PQLEASH_TESTS_STACK_CAPTURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "shim/stack/unwinder.h"

namespace pqleash::stack {

struct Capture {
  static constexpr int kCapacity = 512;

  CaptureResult result;
  int our_count = 0;
  int glibc_count = 0;
  int libunwind_count = 0;
  void* ours[kCapacity];
  void* glibc[kCapacity];
  void* libunwind[kCapacity];

  // From the caller of TakeCapture on.
  std::vector<void*> Ours() const;
  std::vector<void*> Glibc() const;
  std::vector<void*> Libunwind() const;  // empty: not installed, or it lost its way at once
};

// Where TakeCapture of this thread writes, and as which generation. `oracles`: which to ask.
struct CaptureRequest {
  Capture* capture = nullptr;
  uint64_t generation = 1;
  bool ask_glibc = true;
  bool ask_libunwind = true;
};
extern constinit thread_local CaptureRequest t_request;

// Allocates nothing: fit for signal handlers and small stacks.
void TakeCapture();

// glibc's backtrace() and libunwind's unw_backtrace(), where it is installed. By dlopen and not by
// linking, since libunwind exports a `backtrace` and an exception unwinder of its own, and would
// take the place of the very functions that it is compared with.
using Oracle = int (*)(void** addresses, int capacity);
struct Oracles {
  Oracle backtrace;
  Oracle unw_backtrace;
};
Oracles FindOracles();
extern const Oracles g_oracles;

// For failure messages: object+offset and, where there is one, the symbol.
std::string Describe(const std::vector<void*>& addresses);

}  // namespace pqleash::stack

#endif  // PQLEASH_TESTS_STACK_CAPTURE_H_
