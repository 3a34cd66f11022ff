// SPDX-License-Identifier: Apache-2.0
//
// Compares text without libc, for code that may run before the host does. strlen, strcmp and the
// like belong to the first object that defines them, and a sanitizer's runtime jumps through
// pointers that it has not set yet. If the compiler turns a loop into a call, it calls one of the
// library's own functions (memory_functions.cc).

#ifndef PQLEASH_SHIM_SUPPORT_PLAIN_TEXT_H_
#define PQLEASH_SHIM_SUPPORT_PLAIN_TEXT_H_

#include <cstddef>

namespace pqleash::plain {

[[gnu::always_inline]] inline size_t Length(const char* text) {
  size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

[[gnu::always_inline]] inline bool Same(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

// Returns the text that follows `prefix` in `text`, or nullptr if `text` begins otherwise.
[[gnu::always_inline]] inline const char* After(const char* text, const char* prefix) {
  for (; *prefix != '\0'; ++prefix, ++text) {
    if (*text != *prefix) return nullptr;
  }
  return text;
}

[[gnu::always_inline]] inline bool Contains(const char* text, const char* word) {
  for (; *text != '\0'; ++text) {
    if (After(text, word) != nullptr) return true;
  }
  return false;
}

// Returns the part of a path behind its last slash.
[[gnu::always_inline]] inline const char* BaseName(const char* path) {
  const char* base = path;
  for (; *path != '\0'; ++path) {
    if (*path == '/') base = path + 1;
  }
  return base;
}

}  // namespace pqleash::plain

#endif  // PQLEASH_SHIM_SUPPORT_PLAIN_TEXT_H_
