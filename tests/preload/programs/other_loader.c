// SPDX-License-Identifier: Apache-2.0
//
// A program that the library cannot be loaded into: of musl, or of 32 bits, or static. Without
// headers, start files and `main`, so that it can be built with nothing but another libc.

#ifdef PQLEASH_WITHOUT_LIBC
static void Say(void) {
  int written;
  __asm__ volatile("int $0x80" : "=a"(written) : "a"(4), "b"(1), "c"("started\n"), "d"(8));
}
__attribute__((noreturn)) static void Leave(int status) {
  __asm__ volatile("int $0x80" : : "a"(1), "b"(status));
  __builtin_unreachable();
}
#else
int puts(const char* text);
__attribute__((noreturn)) void exit(int status);
static void Say(void) { puts("started"); }
__attribute__((noreturn)) static void Leave(int status) { exit(status); }
#endif

#ifdef PQLEASH_WITHOUT_START_FILES
__attribute__((force_align_arg_pointer)) void _start(void) {
#else
int main(void) {
#endif
  Say();
  Leave(7);
}
