// SPDX-License-Identifier: Apache-2.0

#include "shim/log/output.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <ctime>
#include <initializer_list>

#include "shim/support/text.h"

namespace pqleash::log {

namespace {

// A write to a pipe without a reader would raise SIGPIPE in the host, and one beyond RLIMIT_FSIZE
// SIGXFSZ. Both are the writing thread's own, and end a process.
class SignalsHeldBack {
 public:
  SignalsHeldBack() {
    sigset_t pending;
    sigpending(&pending);
    sigemptyset(&held_back_);
    sigemptyset(&ours_);
    for (const int signal : {SIGPIPE, SIGXFSZ}) {
      sigaddset(&held_back_, signal);
      // What was pending before is the host's.
      if (sigismember(&pending, signal) != 1) sigaddset(&ours_, signal);
    }
    pthread_sigmask(SIG_BLOCK, &held_back_, &before_);
  }
  ~SignalsHeldBack() {
    const timespec no_wait = {0, 0};
    sigtimedwait(&ours_, nullptr, &no_wait);  // a write raises one of them at most
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalsHeldBack(const SignalsHeldBack&) = delete;
  SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;

 private:
  sigset_t held_back_;
  sigset_t ours_;
  sigset_t before_;
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
    const SignalsHeldBack signals_held_back;
    if (write(fd, bytes, size) < 0) {
      // Lost: there is nobody to tell.
    }
  }
  if (fd != STDERR_FILENO || path_[0] != '\0') close(fd);
}

}  // namespace pqleash::log
