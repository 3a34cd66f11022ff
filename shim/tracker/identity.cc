// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

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

// The name in field 2 may hold blanks and parentheses: count fields from the last ')'.
uint64_t StartTicks() {
  char stat_line[1024];
  if (!ReadFile("/proc/self/stat", stat_line)) return 0;
  const char* field = strrchr(stat_line, ')');
  for (int number = 2; field != nullptr && number < 22; ++number) {
    field = strchr(field + 1, ' ');
  }
  return field != nullptr ? strtoull(field, nullptr, 10) : 0;
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
  struct stat status;
  if (stat("/proc/self/ns/pid", &status) == 0) identity->pid_namespace = status.st_ino;
  identity->start_ticks = StartTicks();
  if (ReadFile("/proc/sys/kernel/random/boot_id", identity->boot_id)) {
    identity->boot_id[strcspn(identity->boot_id, "\n")] = '\0';
  }
  gethostname(identity->host_name, sizeof(identity->host_name) - 1);
  const ssize_t length =
      readlink("/proc/self/exe", identity->executable, sizeof(identity->executable) - 1);
  identity->executable[std::max<ssize_t>(length, 0)] = '\0';
}

}  // namespace pqleash::tracker
