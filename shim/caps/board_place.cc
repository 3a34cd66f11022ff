// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/board_place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "shim/support/hash.h"
#include "shim/support/host_state.h"

namespace pqleash::caps {

namespace {

uint64_t InodeOf(const char* path) {
  struct stat status;
  return stat(path, &status) == 0 ? status.st_ino : 0;
}

uint64_t ThisBoot() {
  const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[40] = {};  // 36 digits and dashes, and a newline
  const ssize_t size = read(fd, text, sizeof(text));
  close(fd);
  uint64_t hash = 0;
  for (ssize_t i = 0; i < size; ++i) hash = Mix(hash, static_cast<unsigned char>(text[i]));
  return hash >> 32;  // keeps the name of the board short
}

// Reads the number at `*at`; returns 0 if there is none or it does not fit. Not strtoull: built
// with a new glibc, the library could then not be loaded with an older one (__isoc23_strtoull of
// 2.38).
uint64_t TakeNumber(const char** at, const char* end, int base) {
  uint64_t number = 0;
  *at = std::from_chars(*at, end, number, base).ptr;
  return number;
}

}  // namespace

BoardPlace ThisPlace() noexcept {
  const HostStateKeeper keeper;
  return {InodeOf("/proc/self/ns/pid"), InodeOf("/proc/self/ns/time"), ThisBoot()};
}

void NameBoard(uint32_t version, const BoardPlace& place, char (&name)[kBoardNameSize]) noexcept {
  if (version == 1) {
    snprintf(name, sizeof(name), "caps-1-%" PRIu64 ".board", place.pid_namespace);
  } else {
    snprintf(name, sizeof(name), "caps-%" PRIu32 "-%" PRIu64 "-%" PRIu64 "-%" PRIx64 ".board",
             version, place.pid_namespace, place.time_namespace, place.boot);
  }
}

bool ParseBoardName(const char* name, uint32_t* version, BoardPlace* place) noexcept {
  const ErrnoKeeper keeper;
  char again[kBoardNameSize];
  if (strncmp(name, "caps-", 5) != 0) return false;
  const char* at = name + 5;
  const char* const end = name + strlen(name);
  *version = static_cast<uint32_t>(TakeNumber(&at, end, 10));
  *place = {};
  if (*at != '-') return false;
  place->pid_namespace = TakeNumber(&++at, end, 10);
  if (*version != 1) {
    if (*at != '-') return false;
    place->time_namespace = TakeNumber(&++at, end, 10);
    if (*at != '-') return false;
    place->boot = TakeNumber(&++at, end, 16);
  }
  // The name must be exactly what the library would write: no leading zero, no other text behind.
  NameBoard(*version, *place, again);
  return strcmp(name, again) == 0;
}

}  // namespace pqleash::caps
