// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/script/python_text.h"

#include <algorithm>
#include <cstring>

namespace pqleash::stack::python {
namespace {

constexpr uint32_t kFirstSurrogate = 0xd800;
constexpr uint32_t kLastSurrogate = 0xdfff;
constexpr uint32_t kFirstEscapedByte = 0xdc80;
constexpr uint32_t kLastEscapedByte = 0xdcff;
constexpr uint32_t kLastPoint = 0x10ffff;

// PyASCIIObject::state (Include/cpython/unicodeobject.h): how it was interned, then the width of a
// character in bytes, then whether the characters follow the structure, and whether all are ASCII.
constexpr uint32_t kKindShift = 2;
constexpr uint32_t kKindMask = 7;
constexpr uint32_t kCompact = 1 << 5;
constexpr uint32_t kAscii = 1 << 6;

bool IsSurrogate(uint32_t point) { return point >= kFirstSurrogate && point <= kLastSurrogate; }
bool IsEscapedByte(uint32_t point) {
  return point >= kFirstEscapedByte && point <= kLastEscapedByte;
}

// The characters of a string, a few at a time.
class Characters {
 public:
  Characters(BlockCache& memory, uintptr_t data, uint32_t width)
      : memory_(memory), data_(data), width_(width) {}

  bool At(uint64_t index, uint32_t* point) {
    *point = 0;
    return memory_.Read(data_ + index * width_, point, width_);
  }

 private:
  BlockCache& memory_;
  const uintptr_t data_;
  const uint32_t width_;
};

}  // namespace

bool Text::Append(uint32_t point, bool escaped_bytes) {
  char encoded[8];
  size_t size = 0;
  const auto tail = [&](uint32_t shift) {
    encoded[size++] = static_cast<char>(0x80 | (point >> shift & 0x3f));
  };
  if (IsSurrogate(point) && !(escaped_bytes && IsEscapedByte(point))) {
    constexpr char kDigits[] = "0123456789abcdef";
    encoded[size++] = '\\';
    encoded[size++] = 'u';
    for (int shift = 12; shift >= 0; shift -= 4) encoded[size++] = kDigits[point >> shift & 0xf];
  } else if (IsSurrogate(point)) {
    encoded[size++] = static_cast<char>(point & 0xff);
  } else if (point < 0x80) {
    encoded[size++] = static_cast<char>(point);
  } else if (point < 0x800) {
    encoded[size++] = static_cast<char>(0xc0 | point >> 6);
    tail(0);
  } else if (point < 0x10000) {
    encoded[size++] = static_cast<char>(0xe0 | point >> 12);
    tail(6);
    tail(0);
  } else {
    encoded[size++] = static_cast<char>(0xf0 | point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
  if (size > sizeof bytes_ - size_) return false;
  memcpy(bytes_ + size_, encoded, size);
  size_ += size;
  return true;
}

bool Text::Read(BlockCache& memory, const Layout& layout, uintptr_t text_type, uintptr_t address) {
  size_ = 0;
  uintptr_t type = 0;
  uint64_t length = 0;
  uint32_t state = 0;
  if (address == 0 || !memory.Get(address + layout.object_type, &type) || type != text_type ||
      !memory.Get(address + layout.text_length, &length) ||
      !memory.Get(address + layout.text_state, &state)) {
    return false;
  }
  const uint32_t width = state >> kKindShift & kKindMask;
  if ((state & kCompact) == 0 || (width != 1 && width != 2 && width != 4)) return false;
  const uint64_t count = std::min<uint64_t>(length, sizeof bytes_);
  if ((state & kAscii) != 0) {
    if (width != 1) return false;
    constexpr size_t kPiece = 64;  // that the cache may have already
    while (size_ < count) {
      const size_t piece = std::min<size_t>(count - size_, kPiece);
      if (!memory.Read(address + layout.text_ascii + size_, bytes_ + size_, piece)) return false;
      size_ += piece;
    }
    return true;
  }
  Characters characters(memory, address + layout.text_wide, width);
  bool escaped_bytes = true;
  for (uint64_t i = 0; i < count; ++i) {
    uint32_t point = 0;
    if (!characters.At(i, &point) || point > kLastPoint) return false;
    if (IsSurrogate(point) && !IsEscapedByte(point)) escaped_bytes = false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    uint32_t point = 0;
    if (!characters.At(i, &point) || point > kLastPoint) return false;
    if (!Append(point, escaped_bytes)) break;
  }
  return true;
}

}  // namespace pqleash::stack::python
