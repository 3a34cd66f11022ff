// SPDX-License-Identifier: Apache-2.0

#include "shim/support/clock.h"

#include <sys/auxv.h>
#include <sys/syscall.h>

#include "shim/support/raw_syscall.h"
#include "shim/support/vdso.h"

namespace pqleash {

namespace {

#if defined(__x86_64__)
constexpr char kVdsoFunction[] = "__vdso_clock_gettime";  // vdso(7)
#else
constexpr char kVdsoFunction[] = "__kernel_clock_gettime";
#endif

int AskKernel(clockid_t clock, timespec* now) {
  return static_cast<int>(RawSyscall(SYS_clock_gettime, static_cast<uintptr_t>(clock),
                                     reinterpret_cast<uintptr_t>(now)));
}

// Several threads may come here at once. They find the same function.
int FindAndRead(clockid_t clock, timespec* now) {
  void* found =
      FindVdsoFunction(reinterpret_cast<const void*>(getauxval(AT_SYSINFO_EHDR)), kVdsoFunction);
  const ClockFunction function =
      found != nullptr ? reinterpret_cast<ClockFunction>(found) : AskKernel;
  clock_function.store(function, std::memory_order_relaxed);
  return function(clock, now);
}

}  // namespace

constinit std::atomic<ClockFunction> clock_function{FindAndRead};

}  // namespace pqleash
