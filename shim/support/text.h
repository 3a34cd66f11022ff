// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_TEXT_H_
#define PQLEASH_SHIM_SUPPORT_TEXT_H_

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

// Puts '?' in the place of control characters, those of C1 in UTF-8 included: what is left is one
// line, and steers no terminal.
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
