// SPDX-License-Identifier: Apache-2.0

#include "tests/fuzz/check.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace pqleash::fuzz {
namespace {

// Bytes of the UTF-8 sequence that `text` begins with; 0: it begins with none.
size_t SequenceSize(std::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto follows = [&](size_t count) {
    for (size_t i = 1; i <= count; ++i) {
      if ((byte(i) & 0xc0u) != 0x80u) return false;
    }
    return true;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0)) return 0;
    return follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first < 0xf5) {
    if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90)) return 0;
    return follows(3) ? 4 : 0;
  }
  return 0;
}

// Bytes of the terminal attribute that `text` begins with; 0: it begins with none.
size_t AttributeSize(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  size_t at = 2;
  while (at < text.size() &&
         (std::isdigit(static_cast<unsigned char>(text[at])) != 0 || text[at] == ';')) {
    ++at;
  }
  return at < text.size() && text[at] == 'm' ? at + 1 : 0;
}

}  // namespace

void Check(bool holds, const char* what, std::string_view text) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n%.*s\n", what,
               static_cast<int>(std::min<size_t>(text.size(), 4'000)), text.data());
  std::abort();
}

void CheckText(std::string_view text, bool colour) {
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    size_t size = colour ? AttributeSize(rest) : 0;
    if (size == 0) {
      size = SequenceSize(rest);
      Check(size != 0, "text is UTF-8", rest);
      const auto first = static_cast<unsigned char>(rest[0]);
      Check(first == '\n' || (first >= ' ' && first != 0x7f), "text has no control bytes", rest);
      // C1, which some terminals obey as they do ESC.
      Check(!(first == 0xc2 && static_cast<unsigned char>(rest[1]) < 0xa0),
            "text has no control characters", rest);
    }
    at += size;
  }
}

void CheckAscii(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    Check(byte == '\n' || (byte >= ' ' && byte < 0x7f), "a document is printable ASCII",
          text.substr(at));
  }
}

InputFile::InputFile()
    : path_((std::filesystem::temp_directory_path() / "pqleash-fuzz-XXXXXX").string()) {
  fd_ = mkstemp(path_.data());
  Check(fd_ >= 0, "a temporary file can be made", path_);
}

InputFile::~InputFile() {
  close(fd_);
  unlink(path_.c_str());
}

void InputFile::Write(const uint8_t* data, size_t size) {
  Check(ftruncate(fd_, 0) == 0 && pwrite(fd_, data, size, 0) == static_cast<ssize_t>(size),
        "the temporary file can be written", path_);
}

uint32_t ChoiceOf(const uint8_t* data, size_t size) {
  uint32_t hash = 2'166'136'261u;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ data[i]) * 16'777'619u;
  return hash >> 16;
}

}  // namespace pqleash::fuzz
