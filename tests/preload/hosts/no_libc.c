// SPDX-License-Identifier: Apache-2.0
//
// A dynamic program that needs no library at all, not even libc.

static long Call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
}

__attribute__((force_align_arg_pointer)) void _start(void) {
  static const char text[] = "no libc\n";
  Call(1, 1, (long)text, sizeof(text) - 1);
  Call(231, 7, 0, 0);
}
