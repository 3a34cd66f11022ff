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

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_TEXT_H_
