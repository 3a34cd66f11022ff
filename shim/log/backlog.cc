// SPDX-License-Identifier: Apache-2.0

#include "shim/log/backlog.h"

namespace pqleash::log {

BacklogLine* Backlog::Begin() {
  for (BacklogLine& line : lines_) {
    uint64_t free = BacklogLine::kFree;
    if (line.word_.compare_exchange_strong(free, BacklogLine::kFilling, std::memory_order_acquire))
      return &line;
  }
  return nullptr;
}

void Backlog::Say(BacklogLine* line) {
  // Counted before the line is complete, because the thread that takes the line counts down.
  said_.fetch_add(1, std::memory_order_release);
  const uint64_t order = order_.fetch_add(1, std::memory_order_relaxed);
  line->word_.store(order + BacklogLine::kFilling + 1, std::memory_order_release);
}

BacklogLine* Backlog::Oldest() {
  BacklogLine* oldest = nullptr;
  uint64_t first = UINT64_MAX;
  for (BacklogLine& line : lines_) {
    const uint64_t word = line.word_.load(std::memory_order_acquire);
    if (word <= BacklogLine::kFilling || word >= first) continue;
    first = word;
    oldest = &line;
  }
  return oldest;
}

void Backlog::Done(BacklogLine* line) {
  line->word_.store(BacklogLine::kFree, std::memory_order_release);
  said_.fetch_sub(1, std::memory_order_release);
}

void Backlog::Clear() {
  for (BacklogLine& line : lines_) line.word_.store(BacklogLine::kFree, std::memory_order_relaxed);
  said_.store(0, std::memory_order_release);
}

}  // namespace pqleash::log
