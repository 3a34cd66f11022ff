// SPDX-License-Identifier: Apache-2.0
//
// Lines of the log that are said and not yet written. What is worth a line happens under locks, and
// while a connect is on its way to a place; there a line is put into memory, and written when
// nothing is held any more.

#ifndef PQLEASH_SHIM_LOG_BACKLOG_H_
#define PQLEASH_SHIM_LOG_BACKLOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shim/config/config.h"
#include "shim/log/json_line.h"

namespace pqleash::log {

struct BacklogLine {
  uint64_t realtime_ns = 0;
  config::LogLevel level = config::LogLevel::kDebug;
  int32_t pid = 0;  // whose it is: a forked child has its parent's memory
  size_t length = 0;
  char text[kJsonLineSize] = {};

 private:
  friend class Backlog;
  static constexpr uint64_t kFree = 0;
  static constexpr uint64_t kFilling = 1;
  std::atomic<uint64_t> word_ = kFree;  // one of these, or the order in which it was said
};

// Thread-safe, lock-free; valid as zero bytes, which are no pages until there is a line. A thread
// must not be left between Begin and Say, nor between Oldest and Done: signals are blocked there.
class Backlog {
 public:
  // More than what is said at once: a cap that is reached, and who holds it (caps/holders.cc).
  static constexpr size_t kLines = 64;

  // A place for a line; nullptr: there are kLines already. Say is to follow.
  BacklogLine* Begin();
  void Say(BacklogLine* line);

  bool Empty() const { return said_.load(std::memory_order_acquire) == 0; }
  // The line that was said first; nullptr: none. For one thread at a time, and Done is to follow.
  BacklogLine* Oldest();
  void Done(BacklogLine* line);

  // Of a forked child: what was its parent's.
  void Clear();

 private:
  BacklogLine lines_[kLines] = {};
  std::atomic<uint64_t> order_ = 0;
  std::atomic<uint32_t> said_ = 0;
};

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_BACKLOG_H_
