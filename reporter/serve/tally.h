// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_TALLY_H_
#define PQLEASH_REPORTER_SERVE_TALLY_H_

#include <set>
#include <string>

#include "reporter/observe/collect.h"
#include "reporter/serve/counters.h"
#include "reporter/serve/metrics.h"
#include "reporter/serve/totals_memory.h"

namespace pqleash::reporter {

// The sums over all processes that there have been while it lived. Not thread-safe.
class Tally {
 public:
  Tally() : services_(kProcessCounters, kMaxServices), caps_(kCapCounters, kMaxCaps) {}

  // Adds up what was collected of living and dead processes, keeps the living ones, and looks up
  // the caps that hold for these. `directory` as of Selection.
  void Take(const std::string& directory, Collected* collected);

  const TotalsMemory& services() const { return services_; }
  const TotalsMemory& caps() const { return caps_; }
  // Ledgers of ended processes that have been taken in and are still there.
  const std::set<std::string>& ended() const { return ended_; }

 private:
  TotalsMemory services_;
  TotalsMemory caps_;
  std::set<std::string> ended_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_TALLY_H_
