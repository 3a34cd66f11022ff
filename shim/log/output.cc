// SPDX-License-Identifier: Apache-2.0

#include "shim/log/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <ctime>
#include <initializer_list>

#include "shim/log/write_now.h"
#include "shim/support/signals_blocked.h"
#include "shim/support/text.h"

namespace pqleash::log {

namespace {

// Holds SIGPIPE, SIGXFSZ and SIGTTOU back during a write. A write to a pipe without a reader raises
// SIGPIPE, and a write beyond RLIMIT_FSIZE raises SIGXFSZ; both are sent to the writing thread, and
// end the process. SIGTTOU stops a process that writes to a terminal from the background; the
// kernel does not send it while it is blocked (tcsetpgrp(3)). All other signals are held back too,
// see SignalsBlocked.
class SignalsHeldBack {
 public:
  SignalsHeldBack() {
    sigset_t pending;
    sigpending(&pending);
    sigemptyset(&ours_);
    // A signal that was pending before belongs to the host.
    for (const int signal : {SIGPIPE, SIGXFSZ}) {
      if (sigismember(&pending, signal) != 1) sigaddset(&ours_, signal);
    }
  }
  ~SignalsHeldBack() {
    const timespec no_wait = {0, 0};
    sigtimedwait(&ours_, nullptr, &no_wait);  // a write raises at most one of them
  }
  SignalsHeldBack(const SignalsHeldBack&) = delete;
  SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;

 private:
  const SignalsBlocked blocked_;
  sigset_t ours_;
};

}  // namespace

Output::Output(const char* place) {
  if (strcmp(place, "stderr") == 0) {
    stderr_known_ = fstat(STDERR_FILENO, &stderr_) == 0;
  } else {
    CopyText(place, path_);
  }
}

// Accepts a file of this user, or a device. Another user's file is refused, whatever its mode: that
// user could read the lines, or make the library write what it says. A file with a second name is
// refused because another user may have made that link to any file of this user (link(2)).
bool Output::MayBeWritten(const struct stat& status) const {
  if (S_ISCHR(status.st_mode)) return true;
  if (status.st_uid != geteuid()) return false;
  return S_ISFIFO(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink == 1);
}

int Output::Open(struct stat* status) const {
  if (path_[0] != '\0') {
    // O_NONBLOCK: opening a FIFO without a reader must not stop the host.
    const int fd =
        open(path_, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
             0600);
    if (fd < 0 || (fstat(fd, status) == 0 && MayBeWritten(*status))) return fd;
    close(fd);
    return -1;
  }
  // The host may have closed descriptor 2 and received the number again for a socket of its own.
  if (!stderr_known_ || fstat(STDERR_FILENO, status) != 0) return -1;
  const bool same = status->st_dev == stderr_.st_dev && status->st_ino == stderr_.st_ino;
  return same ? STDERR_FILENO : -1;
}

bool Output::Write(const char* bytes, size_t size) const {
  struct stat status;
  const int fd = Open(&status);
  if (fd < 0) return false;
  bool written = false;
  {
    const SignalsHeldBack signals_held_back;
    written = WriteNow(fd, status, bytes, size);
  }
  if (path_[0] != '\0') close(fd);
  return written;
}

}  // namespace pqleash::log
