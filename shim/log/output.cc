// SPDX-License-Identifier: Apache-2.0

#include "shim/log/output.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <ctime>

#include "shim/support/text.h"

namespace pqleash::log {

namespace {

// A write to a pipe without a reader would raise SIGPIPE in the host.
class SigpipeHeldBack {
 public:
  SigpipeHeldBack() {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  ~SigpipeHeldBack() {
    if (!was_pending_) {
      const timespec no_wait = {0, 0};
      sigtimedwait(&sigpipe_, nullptr, &no_wait);
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeHeldBack(const SigpipeHeldBack&) = delete;
  SigpipeHeldBack& operator=(const SigpipeHeldBack&) = delete;

 private:
  sigset_t sigpipe_;
  sigset_t before_;
  bool was_pending_;
};

}  // namespace

Output::Output(const char* place) {
  if (strcmp(place, "stderr") == 0) {
    stderr_known_ = fstat(STDERR_FILENO, &stderr_) == 0;
  } else {
    CopyText(place, path_);
  }
}

int Output::Open() const {
  if (path_[0] != '\0') {
    // O_NONBLOCK: a FIFO without a reader must not stop the host.
    return open(path_,
                O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                0600);
  }
  // The host may have closed 2 and been given it again for a socket of its own.
  struct stat now;
  if (!stderr_known_ || fstat(STDERR_FILENO, &now) != 0) return -1;
  return now.st_dev == stderr_.st_dev && now.st_ino == stderr_.st_ino ? STDERR_FILENO : -1;
}

void Output::Write(const char* bytes, size_t size) const {
  const int fd = Open();
  if (fd < 0) return;
  {
    const SigpipeHeldBack sigpipe_held_back;
    if (write(fd, bytes, size) < 0) {
      // Lost: there is nobody to tell.
    }
  }
  if (fd != STDERR_FILENO || path_[0] != '\0') close(fd);
}

}  // namespace pqleash::log
