// SPDX-License-Identifier: Apache-2.0
//
// Says on a terminal how far long work is; nothing anywhere else.

#ifndef PQLEASH_REPORTER_WORDS_PROGRESS_H_
#define PQLEASH_REPORTER_WORDS_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace pqleash::reporter {

// How much of all is done, in whatever is counted. Called often: it must be cheap.
using Progress = std::function<void(uint64_t done, uint64_t all)>;

// When to write: not in the first half second, then ten times a second at most. Pure: times are of
// one clock, in ns.
class ProgressPace {
 public:
  explicit ProgressPace(uint64_t begin_ns) : next_ns_(begin_ns + 500'000'000) {}
  bool Due(uint64_t now_ns) {
    if (now_ns < next_ns_) return false;
    next_ns_ = now_ns + 100'000'000;
    return true;
  }

 private:
  uint64_t next_ns_;
};

// 'searching memory of 4711: 1.2 of 3.4 GB'
std::string SearchText(int32_t pid, uint64_t bytes, uint64_t all);
// 'reading symbols: 1,200 of 5,000 frames'
std::string SymbolText(uint64_t frames, uint64_t all);

// One line on stderr, rewritten in place and erased at the end; by Ctrl-C, too. Only on a terminal
// that can do so. One at a time in a process.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Writes what `text` returns, if it is time. ASCII without control characters.
  void Show(const std::function<std::string()>& text);

 private:
  const bool wanted_;
  ProgressPace pace_;
  bool shown_ = false;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_WORDS_PROGRESS_H_
