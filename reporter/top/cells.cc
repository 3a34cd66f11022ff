// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/cells.h"

#include <wchar.h>

#include <algorithm>

namespace pqleash::reporter::top {
namespace {

constexpr std::string_view kEllipsis = "…";

struct Character {
  std::string_view bytes;
  size_t cells;
};

// The first character of valid UTF-8, with its combining characters.
Character FirstOf(std::string_view text) {
  const auto decode = [&](size_t at, size_t* size) {
    const auto lead = static_cast<unsigned char>(text[at]);
    *size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    *size = std::min(*size, text.size() - at);
    wchar_t value = *size == 1 ? lead : lead & (0xff >> (*size + 1));
    for (size_t i = 1; i < *size; ++i) value = value << 6 | (text[at + i] & 0x3f);
    return value;
  };
  size_t size = 0;
  const int width = wcwidth(decode(0, &size));
  while (size < text.size()) {
    size_t next = 0;
    if (wcwidth(decode(size, &next)) != 0) break;
    size += next;
  }
  return {text.substr(0, size), width < 0 ? 1 : static_cast<size_t>(width)};
}

std::vector<Character> CharactersOf(std::string_view text) {
  std::vector<Character> characters;
  while (!text.empty()) {
    characters.push_back(FirstOf(text));
    text.remove_prefix(characters.back().bytes.size());
  }
  return characters;
}

std::string Blanks(size_t count) { return std::string(count, ' '); }

}  // namespace

size_t CellsOf(std::string_view text) {
  size_t cells = 0;
  for (const Character& character : CharactersOf(text)) cells += character.cells;
  return cells;
}

std::string FitEnd(std::string_view text, size_t columns) {
  if (CellsOf(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  std::string fitted;
  size_t used = 1;
  for (const Character& character : CharactersOf(text)) {
    used += character.cells;
    if (used > columns) break;
    fitted += character.bytes;
  }
  return fitted.append(kEllipsis);
}

std::string FitFront(std::string_view text, size_t columns) {
  if (CellsOf(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  const std::vector<Character> characters = CharactersOf(text);
  size_t used = 1;
  size_t bytes = 0;
  for (auto each = characters.rbegin(); each != characters.rend(); ++each) {
    used += each->cells;
    if (used > columns) break;
    bytes += each->bytes.size();
  }
  return std::string(kEllipsis).append(text.substr(text.size() - bytes));
}

std::string PadRight(std::string_view text, size_t columns) {
  std::string fitted = FitEnd(text, columns);
  return fitted + Blanks(columns - std::min(columns, CellsOf(fitted)));
}

std::string PadLeft(std::string_view text, size_t columns) {
  std::string fitted = FitEnd(text, columns);
  return Blanks(columns - std::min(columns, CellsOf(fitted))) + fitted;
}

std::vector<std::string> WrapCells(std::string_view text, size_t columns) {
  std::vector<std::string> lines;
  std::string line;
  size_t used = 0;
  const auto flush = [&] {
    lines.push_back(line);
    line.clear();
    used = 0;
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t cells = CellsOf(word);
    if (used != 0 && used + 1 + cells > columns) flush();
    if (used != 0) {
      line += ' ';
      ++used;
    }
    // A word that is too long for any line is broken.
    for (const Character& character : CharactersOf(word)) {
      if (used + character.cells > columns && used != 0) flush();
      line += character.bytes;
      used += character.cells;
    }
  }
  if (used != 0 || lines.empty()) lines.push_back(line);
  return lines;
}

std::string ToAscii(std::string_view text) {
  std::string ascii;
  for (const Character& character : CharactersOf(text)) {
    if (character.bytes == kEllipsis) {
      ascii += '~';
    } else if (character.bytes.size() == 1) {
      ascii += character.bytes;
    } else {
      ascii.append(std::max<size_t>(character.cells, 1), '?');
    }
  }
  return ascii;
}

}  // namespace pqleash::reporter::top
