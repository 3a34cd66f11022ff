// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/mapped_paths.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "shim/support/raw_syscall.h"

namespace pqleash::stack {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

// Reads a number of base 16 at the begin of `line`, up to `end`; false: there is none.
bool TakeAddress(std::string_view* line, char end, uintptr_t* value) {
  *value = 0;
  for (size_t i = 0; i < line->size(); ++i) {
    const char digit = (*line)[i];
    if (digit == end && i > 0) {
      line->remove_prefix(i + 1);
      return true;
    }
    if (digit >= '0' && digit <= '9') {
      *value = *value << 4 | static_cast<uintptr_t>(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      *value = *value << 4 | static_cast<uintptr_t>(digit - 'a' + 10);
    } else {
      return false;
    }
  }
  return false;
}

}  // namespace

void MappedPathParser::TakeLine(const char* text, size_t size) {
  std::string_view line(text, size);
  uintptr_t begin = 0;
  uintptr_t end = 0;
  if (!TakeAddress(&line, '-', &begin) || !TakeAddress(&line, ' ', &end)) return;
  const size_t slash = line.find('/');
  if (slash == std::string_view::npos) return;
  line.remove_prefix(slash);
  if (line.size() > kDeleted.size() && line.substr(line.size() - kDeleted.size()) == kDeleted) {
    line.remove_suffix(kDeleted.size());
  }
  for (size_t i = 0; i < count_; ++i) {
    const MappedPath& each = wanted_[i];
    if (each.address < begin || each.address >= end || line.size() >= each.size) continue;
    memcpy(each.path, line.data(), line.size());
    each.path[line.size()] = '\0';
  }
}

void ReadMappedPaths(MappedPath* wanted, size_t count, char* buffer, size_t buffer_size) {
  constexpr char kMaps[] = "/proc/self/maps";
  const long file = RawSyscall(SYS_openat, static_cast<uintptr_t>(AT_FDCWD),
                               reinterpret_cast<uintptr_t>(kMaps), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  MappedPathParser parser(wanted, count);
  size_t filled = 0;
  bool whole = true;  // the line that begins in front of the buffer is there from its begin
  for (;;) {
    const long got = RawSyscall(SYS_read, static_cast<uintptr_t>(file),
                                reinterpret_cast<uintptr_t>(buffer + filled), buffer_size - filled);
    if (got == -EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<size_t>(got);
    size_t at = 0;
    while (const void* found = memchr(buffer + at, '\n', filled - at)) {
      const auto end = static_cast<size_t>(static_cast<const char*>(found) - buffer);
      if (whole) parser.TakeLine(buffer + at, end - at);
      whole = true;
      at = end + 1;
    }
    filled -= at;
    memmove(buffer, buffer + at, filled);
    if (filled == buffer_size) {
      whole = false;
      filled = 0;
    }
  }
  RawSyscall(SYS_close, static_cast<uintptr_t>(file));
}

}  // namespace pqleash::stack
