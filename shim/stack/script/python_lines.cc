// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/script/python_lines.h"

#include <algorithm>

namespace pqleash::stack::python {
namespace {

// Of a module with ten thousands of lines; a table that is longer has no lines for us.
constexpr uint64_t kMaxTable = 512 * 1024;

class Bytes {
 public:
  Bytes(BlockCache& cache, Memory& memory, const LineTable& table)
      : cache_(cache), memory_(memory), data_(table.data), size_(table.size) {}

  bool Next(uint8_t* byte) {
    if (position_ == size_) return false;
    if (position_ == read_) {
      const size_t piece = std::min<uint64_t>(size_ - read_, sizeof piece_);
      const bool is_short = size_ <= sizeof piece_;
      if (is_short ? !cache_.Read(data_, piece_, piece)
                   : !memory_.Read(data_ + read_, piece_, piece)) {
        return false;
      }
      begin_ = read_;
      read_ += piece;
    }
    *byte = piece_[position_++ - begin_];
    return true;
  }

 private:
  BlockCache& cache_;
  Memory& memory_;
  const uintptr_t data_;
  const uint64_t size_;
  uint64_t position_ = 0;
  uint64_t begin_ = 0;  // of what `piece_` holds
  uint64_t read_ = 0;   // and its end
  uint8_t piece_[512];
};

uint32_t Known(int64_t line) {
  return line > 0 && line <= INT32_MAX ? static_cast<uint32_t>(line) : 0;
}

// co_lnotab of 3.9 (Objects/lnotab_notes.txt): pairs of how far the code and the lines go on.
uint32_t LineOf39(Bytes bytes, int64_t line, int64_t offset) {
  int64_t address = 0;
  uint8_t code = 0;
  uint8_t lines = 0;
  while (bytes.Next(&code) && bytes.Next(&lines)) {
    address += code;
    if (address > offset) break;
    line += static_cast<int8_t>(lines);
  }
  return Known(line);
}

// co_linetable of 3.10 (PEP 626): pairs of how long a piece of code is, and how far its line is
// from the one before; -128: it has no line.
uint32_t LineOf310(Bytes bytes, int64_t line, int64_t offset) {
  constexpr int8_t kNoLine = -128;
  int64_t end = 0;
  uint8_t code = 0;
  uint8_t lines = 0;
  while (bytes.Next(&code) && bytes.Next(&lines)) {
    const auto delta = static_cast<int8_t>(lines);
    if (delta != kNoLine) line += delta;
    end += code;
    if (offset < end) return delta == kNoLine ? 0 : Known(line);
  }
  return 0;
}

// co_linetable since 3.11 (InternalDocs/code_objects.md, 'Locations'): the first byte of an entry
// has its highest bit set, four bits that say its form, and three that say how many units of two
// bytes of code it covers.
class Entries {
 public:
  explicit Entries(const Bytes& bytes) : bytes_(bytes) { more_ = bytes_.Next(&byte_); }

  bool Next(int64_t* code, int64_t* lines, bool* has_line) {
    if (!more_ || (byte_ & kFirst) == 0) return false;
    const uint32_t form = byte_ >> 3 & 0xf;
    *code = 2 * (int64_t{byte_ & 7} + 1);
    *lines = 0;
    *has_line = form != kNone;
    uint64_t value = 0;
    uint32_t shift = 0;
    bool in_value = form == kLong || form == kNoColumns;  // their first number is that of the lines
    while ((more_ = bytes_.Next(&byte_)) && (byte_ & kFirst) == 0) {
      if (!in_value) continue;
      if (shift > 30) return false;
      value |= uint64_t{byte_ & 0x3fu} << shift;
      shift += 6;
      in_value = (byte_ & 0x40) != 0;
    }
    if (in_value && form >= kNoColumns && form != kNone) return false;  // cut off
    if (form >= kOneLine && form < kNoColumns) *lines = form - kOneLine;
    if (form == kLong || form == kNoColumns) {
      const auto size = static_cast<int64_t>(value >> 1);
      *lines = (value & 1) != 0 ? -size : size;
    }
    return true;
  }

 private:
  static constexpr uint8_t kFirst = 0x80;
  static constexpr uint32_t kOneLine = 10;  // 10, 11, 12: the same line, the next, the one after it
  static constexpr uint32_t kNoColumns = 13;
  static constexpr uint32_t kLong = 14;
  static constexpr uint32_t kNone = 15;

  Bytes bytes_;
  uint8_t byte_ = 0;
  bool more_ = false;
};

uint32_t LineOf311(const Bytes& bytes, int64_t line, int64_t offset) {
  Entries entries(bytes);
  int64_t end = 0;
  int64_t code = 0;
  int64_t lines = 0;
  bool has_line = false;
  while (entries.Next(&code, &lines, &has_line)) {
    line += lines;
    end += code;
    if (offset < end) return has_line ? Known(line) : 0;
  }
  return 0;
}

}  // namespace

uint32_t LineAt(BlockCache& cache, Memory& memory, const LineTable& table, int64_t offset) {
  if (table.size > kMaxTable) return 0;
  if (offset < 0) return Known(table.first_line);
  const Bytes bytes(cache, memory, table);
  if (table.minor == 9) return LineOf39(bytes, table.first_line, offset);
  if (table.minor == 10) return LineOf310(bytes, table.first_line, offset);
  return LineOf311(bytes, table.first_line, offset);
}

}  // namespace pqleash::stack::python
