// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/other_boards.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "shim/support/host_state.h"
#include "shim/support/liveness.h"

namespace pqleash::caps {

namespace {

// The core of version 1, which had none: where its layout had the same fields.
constexpr uint64_t kFirstRecordsAt = 4096;
constexpr uint64_t kFirstRecordSize = 960;
constexpr CoreShape kFirstShape = {.records_offset = kFirstRecordsAt,
                                   .record_count = kMaxPolicies,
                                   .record_size = kFirstRecordSize,
                                   .origin_at = 0,
                                   .name_at = 8,
                                   .name_size = 48,
                                   .service_at = 416,
                                   .service_size = 64,
                                   .scope_at = 60,
                                   .use_at = 536,
                                   .member_count = 8'192,
                                   .members_offset = 65'536,
                                   .member_size = 152,
                                   .pid_at = 0};

constexpr uint32_t kMaxRecordSize = 4096;
constexpr uint32_t kMaxMemberSize = 1024;
constexpr uint32_t kMaxTextSize = 256;
// At most this many members are checked for life. If all of them are dead, the board counts as
// abandoned.
constexpr uint32_t kMaxMembers = 1'024;

bool ReadAt(int fd, uint64_t at, void* bytes, size_t size) {
  return at <= INT64_MAX &&
         pread(fd, bytes, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size);
}

// Whether everything that is read with `shape` lies inside its record.
bool Sound(const CoreShape& shape) {
  const auto inside = [](uint64_t at, uint64_t size, uint64_t whole) { return at + size <= whole; };
  const uint32_t size = shape.record_size;
  return size <= kMaxRecordSize && shape.member_size <= kMaxMemberSize &&
         shape.name_size <= kMaxTextSize && shape.service_size <= kMaxTextSize &&
         inside(shape.origin_at, 4, size) && inside(shape.scope_at, 4, size) &&
         inside(shape.use_at, 4, size) && inside(shape.name_at, shape.name_size, size) &&
         inside(shape.service_at, shape.service_size, size) &&
         inside(shape.pid_at, 4, shape.member_size) && shape.records_offset <= INT32_MAX &&
         shape.members_offset <= INT32_MAX;
}

bool ReadShape(int fd, uint32_t version, CoreShape* shape) {
  BoardCore core;
  if (!ReadAt(fd, 0, &core, sizeof(core)) ||
      memcmp(core.magic, kBoardMagic, sizeof(kBoardMagic)) != 0 || core.version != version)
    return false;
  *shape = version == 1 ? kFirstShape : core.shape;
  return (version == 1 || core.core_size >= sizeof(BoardCore)) && Sound(*shape);
}

bool SomebodyLives(int fd, const CoreShape& shape) {
  const uint32_t count = std::min(shape.member_count, kMaxMembers);
  for (uint32_t i = 0; i < count; ++i) {
    int32_t pid = 0;
    if (!ReadAt(fd, shape.members_offset + uint64_t{i} * shape.member_size + shape.pid_at, &pid,
                sizeof(pid)))
      return false;
    if (pid > 0 && Running(pid)) return true;
  }
  return false;
}

uint32_t NumberAt(const char* record, uint32_t at) {
  uint32_t number;
  memcpy(&number, record + at, sizeof(number));
  return number;
}

// Compares a field of `size` bytes, which need not be NUL-terminated.
bool SameText(const char* field, uint32_t size, const char* text) {
  return strnlen(field, size) == strlen(text) && memcmp(field, text, strlen(text)) == 0;
}

void AddUse(int fd, const CoreShape& shape, Sought* sought, uint32_t count) {
  char record[kMaxRecordSize];
  for (uint32_t i = 0; i < std::min(shape.record_count, kMaxPolicies); ++i) {
    if (!ReadAt(fd, shape.records_offset + uint64_t{i} * shape.record_size, record,
                shape.record_size))
      return;
    if (NumberAt(record, shape.origin_at) == kFromNobody) continue;
    for (uint32_t j = 0; j < count; ++j) {
      if (NumberAt(record, shape.scope_at) != sought[j].policy->scope ||
          !SameText(record + shape.name_at, shape.name_size, sought[j].policy->name) ||
          !SameText(record + shape.service_at, shape.service_size, sought[j].service))
        continue;
      const uint32_t use = NumberAt(record, shape.use_at);
      sought[j].use = use <= UINT32_MAX - sought[j].use ? sought[j].use + use : UINT32_MAX;
    }
  }
}

// Returns a descriptor, or -1 if there is no such board of the user.
int OpenOther(int directory, const char* name, uid_t uid) {
  const int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  struct stat status;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == uid &&
      (status.st_mode & 077) == 0)
    return fd;
  close(fd);
  return -1;
}

}  // namespace

uint32_t CountOnOtherBoards(int directory, uid_t uid, const BoardPlace& place, Sought* sought,
                            uint32_t count) noexcept {
  const HostStateKeeper keeper;
  for (uint32_t i = 0; i < count; ++i) sought[i].use = 0;
  uint32_t boards = 0;
  for (uint32_t version = 1; version <= kBoardVersion + kVersionsAhead; ++version) {
    if (version == kBoardVersion) continue;
    char name[kBoardNameSize];
    NameBoard(version, place, name);
    const int fd = OpenOther(directory, name, uid);
    if (fd < 0) continue;
    CoreShape shape;
    if (ReadShape(fd, version, &shape) && SomebodyLives(fd, shape)) {
      ++boards;
      AddUse(fd, shape, sought, count);
    }
    close(fd);
  }
  return boards;
}

}  // namespace pqleash::caps
