// SPDX-License-Identifier: Apache-2.0
//
// Builds a text in the caller's memory, with the contract of snprintf(3): what does not fit is
// counted but not written. No heap. Not thread-safe.

#ifndef PQLEASH_SHIM_SUPPORT_BOUNDED_TEXT_H_
#define PQLEASH_SHIM_SUPPORT_BOUNDED_TEXT_H_

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace pqleash {

class BoundedText {
 public:
  // `text` must outlive this object; it may be nullptr if `size` is 0. The text is NUL-terminated
  // from the start on.
  BoundedText(char* text, size_t size) : text_(text), size_(size) {
    if (size_ > 0) text_[0] = '\0';
  }

  void Append(std::string_view piece) {
    if (length_ + 1 < size_) {
      const size_t fits = std::min(piece.size(), size_ - 1 - length_);
      memcpy(text_ + length_, piece.data(), fits);
      text_[length_ + fits] = '\0';
    }
    length_ += piece.size();
  }

  // Appends formatted text, cut at 127 bytes. For numbers and the like.
  void Print(const char* format, ...) __attribute__((format(printf, 2, 3))) {
    char piece[128];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(piece, sizeof(piece), format, arguments);
    va_end(arguments);
    if (length > 0) Append({piece, std::min(static_cast<size_t>(length), sizeof(piece) - 1)});
  }

  // Appends `piece` with '?' in place of control characters.
  void AppendPrintable(std::string_view piece) {
    for (const char c : piece) {
      const auto byte = static_cast<unsigned char>(c);
      Append(byte < ' ' || byte == 0x7f ? std::string_view("?") : std::string_view(&c, 1));
    }
  }

  // Length of the whole text, whether it was written or not, without the NUL.
  size_t length() const { return length_; }

 private:
  char* text_;
  size_t size_;
  size_t length_ = 0;
};

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_BOUNDED_TEXT_H_
