// SPDX-License-Identifier: Apache-2.0
//
// Decides when a changed configuration file is read again: not while another program is writing it.
// An editor or a script that truncates a file and then fills it leaves an empty file for a moment,
// and half of the content for another.

#ifndef PQLEASH_SHIM_CONFIG_FILE_CHANGE_H_
#define PQLEASH_SHIM_CONFIG_FILE_CHANGE_H_

#include <cstdint>

namespace pqleash::config {

// The state of a file as stat(2) reports it. All zero if there is no file.
struct FileMark {
  uint64_t modified_ns = 0;  // st_mtim
  uint64_t changed_ns = 0;   // st_ctim, which no program can set
  uint64_t inode = 0;
  int64_t size = 0;

  bool operator==(const FileMark& other) const {
    return modified_ns == other.modified_ns && inode == other.inode && size == other.size;
  }
};

// Returns the state of the file at `path`, or zeros. `path` may be nullptr or empty. Follows links.
// May change errno.
FileMark MarkOf(const char* path);

// How long a file must stay unchanged before it is read again, in nanoseconds.
inline constexpr uint64_t kStillNs = 1'000'000'000;

// Follows one file. To be used by one thread at a time. No heap; valid as zero bytes.
class FileChange {
 public:
  // Notes that the content of the file in state `mark` is in force.
  void Take(const FileMark& mark) { taken_ = mark; }
  const FileMark& taken() const { return taken_; }

  // Whether the file differs from the one in force and has been unchanged for kStillNs. It has been
  // if its own st_ctim says so, or if an earlier call saw the same state that long ago. The clock
  // of the file system may differ from ours, so a st_ctim in the future proves nothing. `now_ns` is
  // CLOCK_MONOTONIC, `realtime_ns` CLOCK_REALTIME, both in nanoseconds.
  bool IsDue(const FileMark& mark, uint64_t now_ns, uint64_t realtime_ns);

 private:
  FileMark taken_ = {};
  FileMark seen_ = {};
  uint64_t seen_at_ns_ = 0;  // when `seen_` was first seen; 0: only `taken_` has been seen
};

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_FILE_CHANGE_H_
