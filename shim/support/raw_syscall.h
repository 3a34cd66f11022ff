// SPDX-License-Identifier: Apache-2.0
//
// System calls without libc. A host may have put a syscall() of its own before libc's, as
// libfaketime does. errno does not change.

#ifndef PQLEASH_SHIM_SUPPORT_RAW_SYSCALL_H_
#define PQLEASH_SHIM_SUPPORT_RAW_SYSCALL_H_

#include <cstdint>

namespace pqleash {

// Returns the kernel's answer; -4095 to -1 is a negative errno. Not a cancellation point. Pointers
// are passed as numbers. The kernel ignores arguments that a call does not have.
[[gnu::always_inline]] inline long RawSyscall(long number, uintptr_t a, uintptr_t b = 0,
                                              uintptr_t c = 0, uintptr_t d = 0, uintptr_t e = 0,
                                              uintptr_t f = 0) {
#if defined(__x86_64__)
  long result;
  register uintptr_t r10 asm("r10") = d;
  register uintptr_t r8 asm("r8") = e;
  register uintptr_t r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 asm("x8") = number;
  register uintptr_t x0 asm("x0") = a;
  register uintptr_t x1 asm("x1") = b;
  register uintptr_t x2 asm("x2") = c;
  register uintptr_t x3 asm("x3") = d;
  register uintptr_t x4 asm("x4") = e;
  register uintptr_t x5 asm("x5") = f;
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return static_cast<long>(x0);
#else
#error "pqleash makes system calls on x86-64 and aarch64"
#endif
}

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_RAW_SYSCALL_H_
