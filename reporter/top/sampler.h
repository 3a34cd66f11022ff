// SPDX-License-Identifier: Apache-2.0
//
// Looks at the ledgers and boards again and again, in a thread of its own: reading the symbols of a
// large program takes seconds, and keys are answered meanwhile.

#ifndef PQLEASH_REPORTER_TOP_SAMPLER_H_
#define PQLEASH_REPORTER_TOP_SAMPLER_H_

#include <chrono>
#include <memory>
#include <optional>

#include "reporter/caps/caps_board.h"
#include "reporter/observe/collect.h"
#include "reporter/symbols/symboliser.h"
#include "reporter/top/keys.h"
#include "reporter/top/sample.h"

namespace pqleash::reporter::top {

struct SamplerOptions {
  Selection selection;
  bool scan = false;  // search the memory of the processes for lost connections, too
  std::chrono::nanoseconds interval = std::chrono::seconds(2);
};

// One look. What `symboliser` has resolved once it keeps.
Sample TakeSample(const SamplerOptions& options, Symboliser* symboliser);

// What is new since it was asked for last.
struct News {
  std::shared_ptr<const Sample> before;  // what rates count from; nullptr: nothing yet
  std::shared_ptr<const Sample> now;     // nullptr: nothing yet
  std::optional<Said> said;              // what came of the latest change
  std::string problem;                   // why there is no new sample; not escaped; empty: none
};

// Of one thread's; its own is within.
class Sampler {
 public:
  // Throws std::system_error where there is no thread or descriptor to be had.
  explicit Sampler(const SamplerOptions& options);
  // Waits for what is under way, for a moment. Where that is not enough, in a slow file system say,
  // the thread is left behind: see Stop.
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  // Readable while there is news.
  int wake_fd() const;
  News Take();

  // Sets a cap's limit, then looks again.
  void Change(CapChange change);

  // Whether the thread has ended within `patience`. If not, it still runs and owns what it uses:
  // the process must end with _exit.
  bool Stop(std::chrono::milliseconds patience);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_SAMPLER_H_
