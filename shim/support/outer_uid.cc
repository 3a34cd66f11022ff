// SPDX-License-Identifier: Apache-2.0

#include "shim/support/outer_uid.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>

namespace pqleash {

namespace {

// Reads the next number of `text` and moves `text` behind it. Returns false if there is none.
bool TakeNumber(const char** text, uint64_t* number) {
  while (**text == ' ' || **text == '\n') ++*text;
  if (**text < '0' || **text > '9') return false;
  for (*number = 0; **text >= '0' && **text <= '9' && *number <= UINT32_MAX; ++*text)
    *number = *number * 10 + static_cast<uint64_t>(**text - '0');
  return true;
}

}  // namespace

uid_t OuterUidIn(const char* map, uid_t uid) noexcept {
  // Each line has three numbers: the first user id inside, the first one outside, and how many
  // there are.
  uint64_t inside = 0;
  uint64_t outside = 0;
  uint64_t count = 0;
  while (TakeNumber(&map, &inside) && TakeNumber(&map, &outside) && TakeNumber(&map, &count)) {
    if (uid >= inside && uid - inside < count) return static_cast<uid_t>(outside + (uid - inside));
  }
  return uid;
}

uid_t OuterUid(uid_t uid) noexcept {
  const int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return uid;
  char map[4096];
  const ssize_t size = read(fd, map, sizeof(map) - 1);
  close(fd);
  map[size > 0 ? size : 0] = '\0';
  return OuterUidIn(map, uid);
}

}  // namespace pqleash
