// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_TEXT_H_
#define PQLEASH_SHIM_SUPPORT_TEXT_H_

#include <charconv>
#include <cstddef>
#include <cstring>

namespace pqleash {

// Copies `text` into `field`, cut to fit, always terminated.
template <size_t size>
void CopyText(const char* text, char (&field)[size]) {
  const size_t length = strnlen(text, size - 1);
  memcpy(field, text, length);
  field[length] = '\0';
}

// Returns the number that `text` begins with, after blanks, or 0 if there is none or it exceeds
// Number. If `end` is not nullptr, it is set to the first character after the number. Like strtol,
// but independent of the locale. strtol itself is not used, because the headers of a newer glibc
// turn it into a function that an older glibc does not have.
template <typename Number>
Number LeadingNumber(const char* text, int base, const char** end = nullptr) {
  text += strspn(text, " \t\n\v\f\r");
  if (text[0] == '+' && text[1] != '-') ++text;
  Number number = 0;
  const std::from_chars_result result = std::from_chars(text, text + strlen(text), number, base);
  if (end != nullptr) *end = result.ptr;
  return result.ec == std::errc() ? number : Number{0};
}

// Replaces control characters by '?', including those of C1 in UTF-8. The result is one line that
// cannot control a terminal.
inline void MaskControls(char* text) {
  for (; *text != '\0'; ++text) {
    const auto byte = static_cast<unsigned char>(*text);
    const auto next = static_cast<unsigned char>(text[1]);
    if (byte < ' ' || byte == 0x7f) *text = '?';
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
      text[0] = text[1] = '?';
    }
  }
}

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_TEXT_H_
