// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_OBSERVE_HARVEST_H_
#define PQLEASH_REPORTER_OBSERVE_HARVEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/observe/collect.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/snapshot/process_liveness.h"

namespace pqleash::reporter {

// The ledgers of one run, of however many processes: those of ended processes are read while others
// run, and removed, so that a small /dev/shm holds a long test suite.
class Harvest {
 public:
  // `removes`: whether ledgers that were read are removed; otherwise all are read at the end.
  Harvest(std::string directory, uint64_t run_id, bool removes);

  // Takes in the ledgers of processes that have ended since.
  void Gather();

  // Everything. To be called once.
  Collected Finish();

 private:
  using Entries = std::vector<LedgerEntry>;

  // All images of one process. False: it may live.
  bool Take(Entries::const_iterator begin, Entries::const_iterator end);

  const std::string directory_;
  const uint64_t run_id_;
  const bool removes_;
  LivenessProbe probe_;
  Collected collected_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_OBSERVE_HARVEST_H_
