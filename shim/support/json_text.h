// SPDX-License-Identifier: Apache-2.0
//
// Writes JSON (RFC 8259) into bounded memory. A library for that would use the heap and exceptions,
// which must not run in the host. The tool, where they may, uses a library.

#ifndef PQLEASH_SHIM_SUPPORT_JSON_TEXT_H_
#define PQLEASH_SHIM_SUPPORT_JSON_TEXT_H_

#include <cinttypes>
#include <cstdint>
#include <string_view>

#include "shim/support/bounded_text.h"

namespace pqleash {

// Writes one JSON document, from left to right. The caller closes each object and array that it
// opens. It gives each member of an object its key, and each element of an array an empty key.
// `out` must outlive this object. If the memory is too small, the document is cut, and `out` knows
// its whole length. Not thread-safe.
class JsonText {
 public:
  explicit JsonText(BoundedText* out) : out_(out) {}

  void BeginObject(std::string_view key = {}) { Open(key, "{"); }
  void EndObject() { Close("}"); }
  void BeginArray(std::string_view key = {}) { Open(key, "["); }
  void EndArray() { Close("]"); }

  void Number(std::string_view key, uint64_t number) {
    Begin(key);
    out_->Print("%" PRIu64, number);
  }
  void Signed(std::string_view key, int64_t number) {
    Begin(key);
    out_->Print("%" PRId64, number);
  }
  // A time in nanoseconds, written in seconds with three decimals.
  void Seconds(std::string_view key, uint64_t ns) {
    Begin(key);
    out_->Print("%" PRIu64 ".%03" PRIu64, ns / 1'000'000'000, ns / 1'000'000 % 1'000);
  }
  void Flag(std::string_view key, bool flag) {
    Begin(key);
    out_->Append(flag ? "true" : "false");
  }
  void Null(std::string_view key) {
    Begin(key);
    out_->Append("null");
  }
  // Any bytes. What is not valid UTF-8 is replaced by U+FFFD.
  void String(std::string_view key, std::string_view text) {
    Begin(key);
    Quote(text);
  }

 private:
  void Begin(std::string_view key) {
    if (!first_) out_->Append(",");
    first_ = false;
    if (key.empty()) return;
    Quote(key);
    out_->Append(":");
  }
  void Open(std::string_view key, std::string_view bracket) {
    Begin(key);
    out_->Append(bracket);
    first_ = true;
  }
  void Close(std::string_view bracket) {
    out_->Append(bracket);
    first_ = false;
  }
  void Quote(std::string_view text) {
    out_->Append("\"");
    for (size_t i = 0; i < text.size();) {
      const auto byte = static_cast<unsigned char>(text[i]);
      const size_t size = SequenceSize(text.substr(i));
      if (size == 0) {
        out_->Append("\\ufffd");
      } else if (byte < ' ' || byte == 0x7f || byte == '"' || byte == '\\') {
        out_->Print("\\u%04x", unsigned{byte});
      } else {
        out_->Append(text.substr(i, size));
      }
      i += size == 0 ? 1 : size;
    }
    out_->Append("\"");
  }

  // Returns the size in bytes of the character that `text` begins with, or 0 if it is not valid
  // UTF-8: RFC 3629, section 4, allows no overlong forms, no surrogates, and nothing above
  // U+10FFFF.
  static size_t SequenceSize(std::string_view text) {
    const auto at = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : uint8_t{0}; };
    const auto tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
    const uint8_t lead = at(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
      const bool overlong = lead == 0xe0 && at(1) < 0xa0;
      const bool surrogate = lead == 0xed && at(1) > 0x9f;
      return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
      const bool overlong = lead == 0xf0 && at(1) < 0x90;
      const bool beyond = lead == 0xf4 && at(1) > 0x8f;
      return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
  }

  BoundedText* out_;
  bool first_ = true;
};

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_JSON_TEXT_H_
