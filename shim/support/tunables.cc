// SPDX-License-Identifier: Apache-2.0
//
// A static libstdc++ that was built against glibc 2.38 reads its tunables with this name of strtoul
// (eh_alloc.cc of gcc 14), and the library could not be loaded with an older glibc for that alone.
// Hidden, so that it is libstdc++'s in here and nobody else's; left out by the linker where nothing
// asks for it.

#include <charconv>
#include <cstring>
#include <system_error>

// NOLINTBEGIN: the name is glibc's
extern "C" __attribute__((visibility("hidden"))) unsigned long __isoc23_strtoul(const char* text,
                                                                                char** end,
                                                                                int base) {
  unsigned long value = 0;
  const char* const last = text + strlen(text);
  const auto [stopped, error] = std::from_chars(text, last, value, base == 0 ? 10 : base);
  if (end != nullptr) *end = const_cast<char*>(error == std::errc() ? stopped : text);
  return value;
}
// NOLINTEND
