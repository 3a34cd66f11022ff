// SPDX-License-Identifier: Apache-2.0
//
// When a file that has changed is taken over: not while somebody writes it. An editor or a script
// that empties a file and then fills it makes one that says nothing for a moment, and half of what
// it should say for another.

#ifndef PQLEASH_SHIM_CONFIG_FILE_CHANGE_H_
#define PQLEASH_SHIM_CONFIG_FILE_CHANGE_H_

#include <cstdint>

namespace pqleash::config {

// A file as stat(2) has it. All zero: there is none.
struct FileMark {
  uint64_t modified_ns = 0;  // st_mtim
  uint64_t changed_ns = 0;   // st_ctim, which nobody can set
  uint64_t inode = 0;
  int64_t size = 0;

  bool operator==(const FileMark& other) const {
    return modified_ns == other.modified_ns && inode == other.inode && size == other.size;
  }
};

// `path` may be nullptr or empty. Follows links. May change errno.
FileMark MarkOf(const char* path);

// How long a file has to be what it is.
inline constexpr uint64_t kStillNs = 1'000'000'000;

// For one thread at a time. No heap; valid as zero bytes.
class FileChange {
 public:
  // The file is in force as it is in `mark`.
  void Take(const FileMark& mark) { taken_ = mark; }
  const FileMark& taken() const { return taken_; }

  // Whether the file is another than the one that was taken, and has been still for kStillNs: by
  // its own time, or because it was the same that long ago. A file system's clock may differ from
  // ours; one that is ahead is not believed. `now_ns`: CLOCK_MONOTONIC. `realtime_ns`:
  // CLOCK_REALTIME.
  bool IsDue(const FileMark& mark, uint64_t now_ns, uint64_t realtime_ns);

 private:
  FileMark taken_ = {};
  FileMark seen_ = {};
  uint64_t seen_at_ns_ = 0;  // 0: nothing but what was taken
};

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_FILE_CHANGE_H_
