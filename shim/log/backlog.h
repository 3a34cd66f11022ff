// SPDX-License-Identifier: Apache-2.0
//
// The log lines that have been said and not yet written. Events worth a line happen while locks are
// held, and while a connect waits for a place at a cap. The line is put into memory there, and it
// is written later, when the thread holds nothing.

#ifndef PQLEASH_SHIM_LOG_BACKLOG_H_
#define PQLEASH_SHIM_LOG_BACKLOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shim/config/config.h"
#include "shim/log/json_line.h"

namespace pqleash::log {

struct BacklogLine {
  // Time of the event, CLOCK_REALTIME in nanoseconds.
  uint64_t realtime_ns = 0;
  config::LogLevel level = config::LogLevel::kDebug;
  int32_t pid = 0;  // the process that said it; a forked child has a copy of its parent's memory
  size_t length = 0;
  // NUL-terminated; `length` without the NUL.
  char text[kJsonLineSize] = {};

 private:
  friend class Backlog;
  static constexpr uint64_t kFree = 0;
  static constexpr uint64_t kFilling = 1;
  // kFree, kFilling, or 2 and more: the order in which the lines were said.
  std::atomic<uint64_t> word_ = kFree;
};

// A bounded queue of lines. Thread-safe and lock-free. Valid as zero bytes, which cost no pages
// until there is a line. A thread must not leave the code between Begin and Say, or between Oldest
// and Done, so the caller blocks signals there.
class Backlog {
 public:
  // Room for more than one moment has to say: a cap that is reached, and its holders
  // (caps/holders.cc).
  static constexpr size_t kLines = 64;

  // Reserves a line for the caller to fill and pass to Say. Returns nullptr if there are kLines
  // already; the line is then lost.
  BacklogLine* Begin();
  // Publishes a line that Begin returned.
  void Say(BacklogLine* line);

  // Whether there is no line. A line that is being filled may count.
  bool Empty() const { return said_.load(std::memory_order_acquire) == 0; }
  // Returns the line that was said first, or nullptr if there is none. Only one thread at a time
  // may take lines. The caller passes the line to Done when it is written.
  BacklogLine* Oldest();
  // Frees a line that Oldest returned.
  void Done(BacklogLine* line);

  // Drops all lines. For a forked child, which must not write the lines of its parent.
  void Clear();

 private:
  BacklogLine lines_[kLines] = {};
  std::atomic<uint64_t> order_ = 0;
  std::atomic<uint32_t> said_ = 0;
};

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_BACKLOG_H_
