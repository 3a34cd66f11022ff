// SPDX-License-Identifier: Apache-2.0
//
// A static libstdc++ of gcc 13 or newer reads from the environment how much memory its exceptions
// may take (GLIBCXX_TUNABLES in eh_alloc.cc). The host means that setting for its own libstdc++.
// Reading it is also unsafe: the host may have replaced getenv, or another thread may be writing to
// the environment. So the libstdc++ inside this library is told that the variable is not set.
//
// It parses numbers with a version of strtoul that came with glibc 2.38. The library could not be
// loaded with an older glibc for that alone.
//
// Both functions are hidden, so that only the libstdc++ in here uses them. The linker drops them if
// nothing refers to them.

#include <cstdlib>

// NOLINTBEGIN: the names and types are glibc's
extern "C" __attribute__((visibility("hidden"))) char* secure_getenv(const char*) noexcept {
  return nullptr;
}

// Never called, because there is no text to parse.
extern "C" __attribute__((visibility("hidden"))) unsigned long __isoc23_strtoul(const char*, char**,
                                                                                int) noexcept {
  return 0;
}
// NOLINTEND
