// SPDX-License-Identifier: Apache-2.0
//
// From what the user asked for to the snapshots of those processes.

#ifndef PQLEASH_REPORTER_OBSERVE_COLLECT_H_
#define PQLEASH_REPORTER_OBSERVE_COLLECT_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "reporter/caps/caps_report.h"
#include "reporter/reachability/exit_examiner.h"
#include "reporter/reachability/reachability.h"
#include "reporter/reachability/scan.h"
#include "reporter/report/report_builder.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// Which ledgers to read. Nothing set: those of all living processes that the user may see.
struct Selection {
  std::vector<int32_t> pids;          // for a dead one: its newest ledger
  std::vector<std::string> services;  // only these
  bool all = false;                   // dead processes, too
  // Beside the living the jobs of the last minute (findings/process_churn.h), where a service has
  // many: one is nothing to look at any more, and many are a fault of their own.
  bool jobs = false;
  std::vector<std::string> ledgers;   // these files, whatever else is there
  std::string directory;              // empty: the default
  uint64_t run_id = 0;                // only processes of this run, living or dead; 0: of any
  std::set<std::string> passed_over;  // ledgers in a directory that need not be read
};

struct Collected {
  std::vector<Snapshot> snapshots;      // by pid; with their lives looked up
  std::vector<std::string> incomplete;  // a sentence each: what was asked for and could not be read
  std::string why_nothing;  // why there are no snapshots, as WhyNothingSelected; empty: there are
  std::vector<CapsPolicy> caps;  // that hold for those processes; see CollectCapsOf
  // As `snapshots`, after LookForLost; else empty.
  std::vector<Reachability> reachability;
};

// Reads clocks, /proc and the ledgers.
Collected Collect(const Selection& selection);

// Looks in the memory of living processes for references to their connections. What could not be
// done is added to `incomplete`. `line` shows how far it is; nullptr: nobody is told.
void LookForLost(ScanOptions options, Collected* collected, ProgressLine* line);

// Puts in what was found in processes of the run at their end. After LookForLost, or without it.
void AddExitVerdicts(const ExitExaminer& examiner, Collected* collected);

// Now and here.
Occasion CurrentOccasion();

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_OBSERVE_COLLECT_H_
