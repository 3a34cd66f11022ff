// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_OBSERVE_COLLECT_CAPS_H_
#define PQLEASH_REPORTER_OBSERVE_COLLECT_CAPS_H_

#include <string>
#include <vector>

#include "reporter/caps/caps_board.h"
#include "reporter/caps/caps_report.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// Caps and paces on the shared `boards` and on the boards of the processes in `snapshots`. Reads
// the clock and those processes' ledgers.
CapsReport CollectCaps(const std::vector<SharedBoard>& boards,
                       const std::vector<Snapshot>& snapshots, std::vector<std::string> incomplete);

// Those that hold for a process in `snapshots`. `directory` as of Selection.
std::vector<CapsPolicy> CollectCapsOf(const std::vector<Snapshot>& snapshots,
                                      const std::string& directory);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_OBSERVE_COLLECT_CAPS_H_
