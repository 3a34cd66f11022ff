// SPDX-License-Identifier: Apache-2.0
//
// The library's own functions of <string.h>. They are hidden, and the linker prefers them to
// libc's. libc's names belong to the first object that defines them. MemorySanitizer's definitions
// check that the host's instrumented code has written the bytes they read, and ours is not
// instrumented. Other definitions count or trace calls, or are not ready yet. Calls of these
// functions are short; the compiler expands the rest.
//
// Only the product is linked with this file. The compiler must not turn a loop here into a call of
// the function that the loop is in. The pragma tells gcc, -fno-builtin tells clang.

#include <cstddef>
#include <cstdint>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

// NOLINTBEGIN: the names and types are libc's
namespace {

struct [[gnu::packed, gnu::may_alias]] Word {
  uint64_t value;
};

constexpr size_t kWord = sizeof(Word);

}  // namespace

extern "C" {

void* memcpy(void* __restrict to, const void* __restrict from, size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  for (; size >= kWord; size -= kWord, out += kWord, in += kWord)
    reinterpret_cast<Word*>(out)->value = reinterpret_cast<const Word*>(in)->value;
  for (; size > 0; --size) *out++ = *in++;
  return to;
}

void* memmove(void* to, const void* from, size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  if (reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from) >= size) {
    // Copies forwards. The bytes written precede those still to be read, or the areas do not
    // overlap.
    for (; size >= kWord; size -= kWord, out += kWord, in += kWord) {
      const uint64_t value = reinterpret_cast<const Word*>(in)->value;
      reinterpret_cast<Word*>(out)->value = value;
    }
    for (; size > 0; --size) *out++ = *in++;
    return to;
  }
  for (; size >= kWord; size -= kWord) {
    const uint64_t value = reinterpret_cast<const Word*>(in + size - kWord)->value;
    reinterpret_cast<Word*>(out + size - kWord)->value = value;
  }
  for (; size > 0; --size) out[size - 1] = in[size - 1];
  return to;
}

void* memset(void* memory, int value, size_t size) {
  auto* out = static_cast<unsigned char*>(memory);
  const uint64_t word = 0x0101010101010101 * static_cast<unsigned char>(value);
  for (; size >= kWord; size -= kWord, out += kWord) reinterpret_cast<Word*>(out)->value = word;
  for (; size > 0; --size) *out++ = static_cast<unsigned char>(value);
  return memory;
}

int memcmp(const void* a, const void* b, size_t size) {
  const auto* first = static_cast<const unsigned char*>(a);
  const auto* second = static_cast<const unsigned char*>(b);
  for (; size >= kWord; size -= kWord, first += kWord, second += kWord) {
    if (reinterpret_cast<const Word*>(first)->value != reinterpret_cast<const Word*>(second)->value)
      break;
  }
  for (; size > 0; --size, ++first, ++second) {
    if (*first != *second) return *first < *second ? -1 : 1;
  }
  return 0;
}

void* memchr(const void* memory, int value, size_t size) {
  const auto* byte = static_cast<const unsigned char*>(memory);
  for (; size > 0; --size, ++byte) {
    if (*byte == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(byte);
  }
  return nullptr;
}

size_t strlen(const char* text) {
  const char* end = text;
  while (*end != '\0') ++end;
  return static_cast<size_t>(end - text);
}

size_t strnlen(const char* text, size_t size) {
  size_t length = 0;
  while (length < size && text[length] != '\0') ++length;
  return length;
}

int strcmp(const char* a, const char* b) {
  for (; *a != '\0' && *a == *b; ++a, ++b) {
  }
  return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}

int strncmp(const char* a, const char* b, size_t size) {
  for (; size > 0; --size, ++a, ++b) {
    if (*a != *b) return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
    if (*a == '\0') return 0;
  }
  return 0;
}

char* strchr(const char* text, int value) {
  for (;; ++text) {
    if (*text == static_cast<char>(value)) return const_cast<char*>(text);
    if (*text == '\0') return nullptr;
  }
}

char* strrchr(const char* text, int value) {
  const char* last = nullptr;
  for (;; ++text) {
    if (*text == static_cast<char>(value)) last = text;
    if (*text == '\0') return const_cast<char*>(last);
  }
}

char* strstr(const char* text, const char* word) {
  for (;; ++text) {
    size_t i = 0;
    while (word[i] != '\0' && text[i] == word[i]) ++i;
    if (word[i] == '\0') return const_cast<char*>(text);
    if (*text == '\0') return nullptr;
  }
}

size_t strspn(const char* text, const char* accepted) {
  size_t length = 0;
  while (text[length] != '\0' && strchr(accepted, text[length]) != nullptr) ++length;
  return length;
}

size_t strcspn(const char* text, const char* rejected) {
  size_t length = 0;
  while (text[length] != '\0' && strchr(rejected, text[length]) == nullptr) ++length;
  return length;
}

char* strcpy(char* __restrict to, const char* __restrict from) {
  char* out = to;
  while ((*out++ = *from++) != '\0') {
  }
  return to;
}

}  // extern "C"
// NOLINTEND
