// SPDX-License-Identifier: Apache-2.0
//
// One look at all the memory of a process for words that lead to some addresses.

#ifndef PQLEASH_REPORTER_REACHABILITY_MEMORY_PASS_H_
#define PQLEASH_REPORTER_REACHABILITY_MEMORY_PASS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "reporter/reachability/process_view.h"
#include "reporter/words/progress.h"

namespace pqleash::reporter {

// When a search has to be at its end.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Deadline(Clock::duration time) : begin_(Clock::now()), end_(begin_ + time) {}
  bool Over() const { return Clock::now() >= end_; }
  bool HalfOver() const { return Clock::now() >= begin_ + (end_ - begin_) / 2; }

 private:
  const Clock::time_point begin_;
  const Clock::time_point end_;
};

struct PassResult {
  bool complete = false;       // false: the time was over, or the memory cannot be read any more
  uint64_t bytes = 0;          // that were read
  uint64_t ns = 0;             // that it took
  uint64_t unread_shared = 0;  // bytes of shared memory that are not in memory, and were not read
};

struct PassOptions {
  const Deadline* deadline = nullptr;
  bool backwards = false;  // from the highest address to the lowest
  Progress progress;       // may be empty
};

// The word at `location` is `address`, which lies within target `target`.
using Sighted = std::function<void(size_t target, uint64_t location, uint64_t address)>;

// `targets`: in order, without overlaps; none: nothing is looked at, and the pass is complete.
PassResult PassOver(ProcessView* view, const std::vector<AddressRange>& targets,
                    const PassOptions& options, const Sighted& sighted);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_MEMORY_PASS_H_
