// SPDX-License-Identifier: Apache-2.0
//
// A static libstdc++ of gcc 13 or newer asks the environment how much memory its exceptions may
// take (GLIBCXX_TUNABLES in eh_alloc.cc). What a host says there is meant for its own libstdc++,
// and the environment is not read by a function that the host may have replaced, or while another
// thread of it writes there. So the one inside is told that there is no such variable. It reads
// numbers with a name of strtoul that glibc 2.38 is the first to have: the library could not be
// loaded with an older one for that alone.
//
// Hidden, so that these are libstdc++'s in here and nobody else's; left out by the linker where
// nothing asks for them.

#include <cstdlib>

// NOLINTBEGIN: the names and types are glibc's
extern "C" __attribute__((visibility("hidden"))) char* secure_getenv(const char*) noexcept {
  return nullptr;
}

// Never called: there is no text to read.
extern "C" __attribute__((visibility("hidden"))) unsigned long __isoc23_strtoul(const char*, char**,
                                                                                int) noexcept {
  return 0;
}
// NOLINTEND
