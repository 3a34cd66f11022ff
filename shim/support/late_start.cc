// SPDX-License-Identifier: Apache-2.0

#include "shim/support/late_start.h"

#include <cstddef>

namespace pqleash {

namespace {

// The list of constructors, placed by late_start.ld. Null in tests, which are linked without it.
extern "C" __attribute__((visibility("hidden"), weak)) void (*pqleash_late_start_begin[])();
extern "C" __attribute__((visibility("hidden"), weak)) void (*pqleash_late_start_end[])();

constinit bool done = false;

// Memory for the constructors. libstdc++'s allocates some 72 KiB for exceptions that are thrown
// when the heap is exhausted. That memory must always be there, and must not come from the host's
// heap.
constexpr size_t kReserve = size_t{80} * 1024;
alignas(std::max_align_t) constinit char reserve[kReserve] = {};
constinit size_t reserved = 0;
// Set on the thread that runs the constructors. Other threads may allocate meanwhile.
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

// The linker replaces every call of malloc in the library by __wrap_malloc, and every call of
// __real_malloc by malloc (--wrap in shim/CMakeLists.txt).
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
