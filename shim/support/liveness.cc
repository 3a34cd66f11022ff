// SPDX-License-Identifier: Apache-2.0

#include "shim/support/liveness.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "shim/support/text.h"

namespace pqleash {

namespace {

// Returns the text after the next `fields` blanks, or nullptr.
const char* Skip(const char* text, int fields) {
  for (; text != nullptr && fields > 0; --fields) {
    text = strchr(text, ' ');
    if (text != nullptr) ++text;
  }
  return text;
}

bool Equal(uint64_t a, uint64_t b) { return a == b || a == 0 || b == 0; }

}  // namespace

bool Running(pid_t pid) noexcept {
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) {
    // EINVAL, or ENOENT since Linux 6.15: the number now belongs to a thread of another process.
    if (errno == ESRCH || errno == EINVAL || errno == ENOENT) return false;
    return kill(pid, 0) == 0 || errno != ESRCH;
  }
  pollfd watch = {fd, POLLIN, 0};
  const int ended = poll(&watch, 1, 0);
  close(fd);
  return ended != 1;
}

ProcessMarks ReadMarks(pid_t pid) noexcept {
  char path[32];
  snprintf(path, sizeof(path), "/proc/%d/stat", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char text[1024];
  const ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (size <= 0) return {};
  text[size] = '\0';
  // The program's name stands in parentheses and may contain any byte. Field 3 follows it.
  const char* fields = strrchr(text, ')');
  if (fields == nullptr) return {};
  const char* start = Skip(fields + 1, 1 + 22 - 3);
  const char* stack = Skip(start, 28 - 22);
  return {start != nullptr ? LeadingNumber<uint64_t>(start, 10) : 0,
          stack != nullptr ? LeadingNumber<uint64_t>(stack, 10) : 0};
}

bool SameProcess(const ProcessMarks& a, const ProcessMarks& b) {
  return Equal(a.start_ticks, b.start_ticks) && Equal(a.stack_start, b.stack_start);
}

}  // namespace pqleash
