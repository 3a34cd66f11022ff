// SPDX-License-Identifier: Apache-2.0

#include "shim/support/late_start.h"

#include <cstddef>

namespace pqleash {

namespace {

// Placed by late_start.ld; null where the parts are linked without it, as tests do.
extern "C" __attribute__((visibility("hidden"), weak)) void (*pqleash_late_start_begin[])();
extern "C" __attribute__((visibility("hidden"), weak)) void (*pqleash_late_start_end[])();

constinit bool done = false;

// What they allocate is the memory for exceptions that are thrown when there is none: some 72 KiB,
// which must not be missing, and is none of the host's heap.
constexpr size_t kReserve = size_t{80} * 1024;
alignas(std::max_align_t) constinit char reserve[kReserve] = {};
constinit size_t reserved = 0;
// The thread that runs them; others may allocate meanwhile.
constinit thread_local bool starting __attribute__((tls_model("initial-exec"))) = false;

}  // namespace

void RunLateStart() noexcept {
  if (done) return;
  done = true;
  starting = true;
  for (void (**start)() = pqleash_late_start_begin; start != pqleash_late_start_end; ++start)
    (*start)();
  starting = false;
}

}  // namespace pqleash

// The linker puts the first in the place of every call of malloc in the library, and malloc in the
// place of the second (--wrap in shim/CMakeLists.txt).
// NOLINTBEGIN: the names are the linker's
extern "C" void* __real_malloc(size_t size) __attribute__((weak));
extern "C" __attribute__((visibility("hidden"))) void* __wrap_malloc(size_t size) {
  using namespace pqleash;
  constexpr size_t kAlignment = alignof(std::max_align_t);
  if (!starting || size > kReserve - reserved) return __real_malloc(size);
  void* memory = reserve + reserved;
  reserved += (size + kAlignment - 1) / kAlignment * kAlignment;
  return memory;
}
// NOLINTEND
