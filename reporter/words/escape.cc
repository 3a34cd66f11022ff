// SPDX-License-Identifier: Apache-2.0

#include "reporter/words/escape.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace pqleash::reporter {
namespace {

constexpr std::pair<char32_t, char32_t> kHidden[] = {
    {0x0000, 0x001f},     // C0
    {0x007f, 0x009f},     // DEL and C1: some terminals obey 0x9b as they do ESC [
    {0x00ad, 0x00ad},     // soft hyphen
    {0x034f, 0x034f},     // combining grapheme joiner
    {0x061c, 0x061c},     // Arabic letter mark
    {0x115f, 0x1160},     // Hangul fillers
    {0x17b4, 0x17b5},     // Khmer inherent vowels
    {0x180b, 0x180f},     // Mongolian selectors and vowel separator
    {0x200b, 0x200f},     // zero width, direction marks
    {0x2028, 0x202e},     // line and paragraph separator, embeddings and overrides
    {0x2060, 0x206f},     // word joiner, isolates, deprecated format characters
    {0x3164, 0x3164},     // Hangul filler
    {0xd800, 0xf8ff},     // surrogates, private use
    {0xfe00, 0xfe0f},     // variation selectors
    {0xfeff, 0xfeff},     // byte order mark
    {0xffa0, 0xffa0},     // Hangul filler
    {0xfff0, 0xfffb},     // interlinear annotation
    {0xfffe, 0xffff},     // no characters
    {0x1d173, 0x1d17a},   // musical formatting
    {0xe0000, 0x10ffff},  // tags, private use
};

// Length of the valid UTF-8 sequence at the front, 0 for none; the code point goes to `code_point`.
size_t Decode(std::string_view bytes, char32_t* code_point) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) {
    *code_point = first;
    return 1;
  }
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (first < 0xc2 || first > 0xf4 || bytes.size() < size) return 0;
  char32_t value = first & (0xff >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
    value = value << 6 | (at(i) & 0x3f);
  }
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kSmallest[size] || value > 0x10ffff || surrogate) return 0;
  *code_point = value;
  return size;
}

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

}  // namespace

bool IsShowable(char32_t code_point) {
  for (const auto& [first, last] : kHidden) {
    if (code_point >= first && code_point <= last) return false;
  }
  return true;
}

std::string Escape(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    char32_t code_point = 0;
    size_t size = Decode(bytes, &code_point);
    if (size == 0 || code_point < 0x20 || code_point == 0x7f) {
      size = 1;
      fmt::format_to(std::back_inserter(text), "\\x{:02x}",
                     static_cast<unsigned>(static_cast<unsigned char>(bytes[0])));
    } else if (code_point == '\\') {
      text += "\\\\";
    } else if (IsShowable(code_point)) {
      text += bytes.substr(0, size);
    } else {
      fmt::format_to(std::back_inserter(text), "\\u{{{:x}}}", static_cast<uint32_t>(code_point));
    }
    bytes.remove_prefix(size);
  }
  return text;
}

size_t Width(std::string_view escaped) {
  size_t width = 0;
  for (const char byte : escaped) width += !IsContinuation(byte);
  return width;
}

std::string CutEnd(std::string escaped, size_t columns) {
  if (Width(escaped) <= columns) return escaped;
  size_t at = 0;
  for (size_t keep = columns > 3 ? columns - 3 : 0; keep > 0; --keep) {
    ++at;
    while (at < escaped.size() && IsContinuation(escaped[at])) ++at;
  }
  escaped.resize(at);
  return escaped + "...";
}

std::string CutFront(std::string escaped, size_t columns) {
  const size_t width = Width(escaped);
  if (width <= columns) return escaped;
  size_t drop = width + 3 - columns;
  size_t at = 0;
  while (at < escaped.size() && drop > 0) {
    ++at;
    while (at < escaped.size() && IsContinuation(escaped[at])) ++at;
    --drop;
  }
  return "..." + escaped.substr(at);
}

}  // namespace pqleash::reporter
