// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "shim/support/liveness.h"
#include "shim/support/outer_uid.h"

namespace pqleash::tracker {

namespace {

// The beginning of a file, NUL-terminated. False: not readable.
template <size_t size>
bool ReadFile(const char* path, char (&text)[size]) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t length = read(fd, text, size - 1);
  close(fd);
  text[std::max<ssize_t>(length, 0)] = '\0';
  return length > 0;
}

}  // namespace

const char* Identity::ExecutableName() const {
  const char* slash = strrchr(executable, '/');
  return slash != nullptr ? slash + 1 : executable;
}

void ReadIdentity(Identity* identity) {
  *identity = {};
  identity->pid = getpid();
  identity->parent_pid = getppid();
  identity->uid = geteuid();
  identity->outer_uid = OuterUid(identity->uid);
  struct stat status;
  if (stat("/proc/self/ns/pid", &status) == 0) identity->pid_namespace = status.st_ino;
  const ProcessMarks marks = ReadMarks(identity->pid);
  identity->start_ticks = marks.start_ticks;
  identity->stack_start = marks.stack_start;
  if (ReadFile("/proc/sys/kernel/random/boot_id", identity->boot_id)) {
    identity->boot_id[strcspn(identity->boot_id, "\n")] = '\0';
  }
  gethostname(identity->host_name, sizeof(identity->host_name) - 1);
  const ssize_t length =
      readlink("/proc/self/exe", identity->executable, sizeof(identity->executable) - 1);
  identity->executable[std::max<ssize_t>(length, 0)] = '\0';
}

}  // namespace pqleash::tracker
