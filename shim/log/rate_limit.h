// SPDX-License-Identifier: Apache-2.0
//
// How many lines of one event a second may have. A program that fails in a loop must not fill the
// disk of its host through us.

#ifndef PQLEASH_SHIM_LOG_RATE_LIMIT_H_
#define PQLEASH_SHIM_LOG_RATE_LIMIT_H_

#include <atomic>
#include <cstdint>

#include "shim/log/events.h"

namespace pqleash::log {

// More than the call sites that are named when a cap is reached (caps/holders.cc): an account of
// one moment is never cut.
inline constexpr uint32_t kLinesPerSecond = 40;

// Thread-safe, lock-free, no heap; valid as zero bytes. Each event has one word: the second it is
// about, and the lines that wanted to be written in it. Whoever replaces a second takes its count,
// so that each line left out is reported once.
class RateLimit {
 public:
  // Counts a line of `event` at `second` (of any clock that does not go back; its low 32 bits are
  // used), and says whether it is to be written. `*left_out` is how many lines of earlier seconds
  // were not.
  bool Admit(Event event, uint64_t second, uint32_t* left_out) {
    std::atomic<uint64_t>& word = words_[static_cast<size_t>(event)];
    uint64_t before = word.load(std::memory_order_relaxed);
    for (;;) {
      const bool same = SecondOf(before) == static_cast<uint32_t>(second);
      const uint32_t count = same ? CountOf(before) : 0;
      // The count stays where it would overflow.
      const uint32_t after = count == UINT32_MAX ? count : count + 1;
      if (word.compare_exchange_weak(before, Word(second, after), std::memory_order_relaxed)) {
        *left_out = same ? 0 : LeftOut(before);
        return count < kLinesPerSecond;
      }
    }
  }

  // The lines of `event` that were left out before `second` and are not reported yet. 0: none.
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
