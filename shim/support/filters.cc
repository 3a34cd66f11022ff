// SPDX-License-Identifier: Apache-2.0

#include "shim/support/filters.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "shim/support/plain_text.h"
#include "shim/support/raw_syscall.h"

namespace pqleash {
namespace {

// The number in the line that begins with `name`; -1: there is none.
int32_t NumberIn(const char* text, const char* name) {
  for (const char* line = text; *line != '\0';) {
    if (const char* c = plain::After(line, name)) {
      while (*c == ' ' || *c == '\t') ++c;
      int32_t number = 0;
      for (; *c >= '0' && *c <= '9' && number < 1'000'000; ++c) number = number * 10 + (*c - '0');
      return number;
    }
    while (*line != '\0' && *line != '\n') ++line;
    if (*line == '\n') ++line;
  }
  return -1;
}

}  // namespace

Filters FiltersIn(const char* status) {
  const int32_t mode = NumberIn(status, "Seccomp:");
  const int32_t count = NumberIn(status, "Seccomp_filters:");  // since Linux 5.9
  return {*status != '\0', mode > 0 ? mode : 0, count > 0 ? count : 0};
}

Filters FiltersOfThread() {
  static constexpr char kPath[] = "/proc/thread-self/status";
  const long fd = RawSyscall(SYS_openat, static_cast<uintptr_t>(AT_FDCWD),
                             reinterpret_cast<uintptr_t>(kPath), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char text[4096];
  const long size = RawSyscall(SYS_read, static_cast<uintptr_t>(fd),
                               reinterpret_cast<uintptr_t>(text), sizeof(text) - 1);
  RawSyscall(SYS_close, static_cast<uintptr_t>(fd));
  text[size > 0 ? size : 0] = '\0';
  return FiltersIn(text);
}

}  // namespace pqleash
