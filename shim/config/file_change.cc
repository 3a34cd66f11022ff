// SPDX-License-Identifier: Apache-2.0

#include "shim/config/file_change.h"

#include <sys/stat.h>

namespace pqleash::config {

namespace {

uint64_t ToNs(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

FileMark MarkOf(const char* path) {
  struct stat status;
  if (path == nullptr || path[0] == '\0' || stat(path, &status) != 0) return {};
  return {ToNs(status.st_mtim), ToNs(status.st_ctim), status.st_ino, status.st_size};
}

bool FileChange::IsDue(const FileMark& mark, uint64_t now_ns, uint64_t realtime_ns) {
  if (mark == taken_) {
    seen_at_ns_ = 0;
    return false;
  }
  const bool there = mark.inode != 0;
  if (there && realtime_ns > mark.changed_ns && realtime_ns - mark.changed_ns >= kStillNs)
    return true;
  if (seen_at_ns_ == 0 || !(mark == seen_)) {
    seen_ = mark;
    seen_at_ns_ = now_ns;
    return false;
  }
  return now_ns - seen_at_ns_ >= kStillNs;
}

}  // namespace pqleash::config
