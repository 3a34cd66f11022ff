// SPDX-License-Identifier: Apache-2.0

#include "shim/log/write_now.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <ctime>

namespace pqleash::log {

namespace {

bool Whole(long written, size_t size) { return written == static_cast<long>(size); }

bool Writable(int fd) {
  pollfd asked = {fd, POLLOUT, 0};
  timespec no_wait = {0, 0};
  return syscall(SYS_ppoll, &asked, 1, &no_wait, nullptr, 0) == 1 && (asked.revents & POLLOUT) != 0;
}

// Memory devices such as /dev/null and /dev/full never make a writer wait (Linux, devices.txt).
bool IsMemoryDevice(const struct stat& status) {
  constexpr unsigned kMemoryDevices = 1;
  return S_ISCHR(status.st_mode) && major(status.st_rdev) == kMemoryDevices;
}

// Opens another, non-blocking open file description of the file behind `fd`. Returns -1 and sets
// errno if that is not possible.
int OpenAnew(int fd, const struct stat& status) {
  char path[32];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  const auto anew = static_cast<int>(
      syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (anew < 0) return -1;
  struct stat opened;
  if (fstat(anew, &opened) == 0 && opened.st_dev == status.st_dev && opened.st_ino == status.st_ino)
    return anew;
  syscall(SYS_close, anew);
  errno = ENOENT;
  return -1;
}

}  // namespace

bool WriteNow(int fd, const struct stat& status, const char* bytes, size_t size) {
  if (S_ISSOCK(status.st_mode)) {
    return Whole(
        syscall(SYS_sendto, fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, size_t{0}),
        size);
  }
  const bool waits = S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode);
  const bool asked = (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
  if (!waits || !asked || IsMemoryDevice(status))
    return Whole(syscall(SYS_write, fd, bytes, size), size);
  if (size > PIPE_BUF || !Writable(fd)) return false;
  const int anew = OpenAnew(fd, status);
  if (anew < 0) {
    // The pipe has no reader.
    if (errno == ENXIO) return false;
    return Whole(syscall(SYS_write, fd, bytes, size), size);
  }
  const long written = syscall(SYS_write, anew, bytes, size);
  syscall(SYS_close, anew);
  return Whole(written, size);
}

}  // namespace pqleash::log
