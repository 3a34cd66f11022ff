// SPDX-License-Identifier: Apache-2.0
//
// Bounds the lines of one event in a second. A program that fails in a loop must not fill its
// host's disk through the log.

#ifndef PQLEASH_SHIM_LOG_RATE_LIMIT_H_
#define PQLEASH_SHIM_LOG_RATE_LIMIT_H_

#include <atomic>
#include <cstdint>

#include "shim/log/events.h"

namespace pqleash::log {

// More than the call sites that are named when a cap is reached (caps/holders.cc), so that the
// account of one moment is never cut.
inline constexpr uint32_t kLinesPerSecond = 40;

// Counts the lines of each event. Thread-safe and lock-free, no heap, valid as zero bytes. Each
// event has one word: a second, and the number of lines that asked to be written in it. The thread
// that replaces the second takes over its count, so that each line left out is reported exactly
// once.
class RateLimit {
 public:
  // Counts a line of `event` at `second` and returns whether to write it. `second` is from any
  // clock that does not go back; its low 32 bits are used. Sets `*left_out` to the number of lines
  // of earlier seconds that were not written and not reported yet.
  bool Admit(Event event, uint64_t second, uint32_t* left_out) {
    std::atomic<uint64_t>& word = words_[static_cast<size_t>(event)];
    uint64_t before = word.load(std::memory_order_relaxed);
    for (;;) {
      const bool same = SecondOf(before) == static_cast<uint32_t>(second);
      const uint32_t count = same ? CountOf(before) : 0;
      // The count stops at its largest value.
      const uint32_t after = count == UINT32_MAX ? count : count + 1;
      if (word.compare_exchange_weak(before, Word(second, after), std::memory_order_relaxed)) {
        *left_out = same ? 0 : LeftOut(before);
        return count < kLinesPerSecond;
      }
    }
  }

  // Returns the number of lines of `event` that were left out before `second` and are not reported
  // yet, and marks them as reported.
  uint32_t Take(Event event, uint64_t second) {
    std::atomic<uint64_t>& word = words_[static_cast<size_t>(event)];
    uint64_t before = word.load(std::memory_order_relaxed);
    if (LeftOut(before) == 0 || SecondOf(before) == static_cast<uint32_t>(second)) return 0;
    const bool taken =
        word.compare_exchange_strong(before, Word(second, 0), std::memory_order_relaxed);
    return taken ? LeftOut(before) : 0;
  }

 private:
  static uint64_t Word(uint64_t second, uint32_t count) { return second << 32 | uint64_t{count}; }
  static uint32_t SecondOf(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
  static uint32_t CountOf(uint64_t word) { return static_cast<uint32_t>(word); }
  static uint32_t LeftOut(uint64_t word) {
    return CountOf(word) > kLinesPerSecond ? CountOf(word) - kLinesPerSecond : 0;
  }

  std::atomic<uint64_t> words_[kEvents] = {};
};

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_RATE_LIMIT_H_
