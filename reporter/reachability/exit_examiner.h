// SPDX-License-Identifier: Apache-2.0
//
// Looks at the memory of processes at their end. A process that was started with
// PQLEASH_HOLD_AT_EXIT waits there, if it has connections open, until it has been looked at or the
// time is over (shim/ledger/LEDGER.md, 'The wait for an examiner'); what was found is kept for the
// report that is made after its end.
//
// For `pqleash audit`: set PQLEASH_HOLD_AT_EXIT in the child's environment beside PQLEASH_RUN, call
// WaitForHeld in a loop while the child or any of its descendants may run, from a thread of its
// own, and after that AddExitVerdicts (reporter/observe/collect.h):
//
//   ExitExaminer examiner(directory, run_id, {});
//   std::thread thread([&] { while (!done) examiner.WaitForHeld(100ms); });
//   ...                        // wait for the child, set `done`, join the thread
//   AddExitVerdicts(examiner, &collected);
//
// A process that ends by _exit, execve, a signal or a crash does not wait.

#ifndef PQLEASH_REPORTER_REACHABILITY_EXIT_EXAMINER_H_
#define PQLEASH_REPORTER_REACHABILITY_EXIT_EXAMINER_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reporter/reachability/reachability.h"
#include "reporter/reachability/scan.h"
#include "reporter/snapshot/process_liveness.h"
#include "reporter/snapshot/snapshot.h"
#include "reporter/symbols/symboliser.h"

namespace pqleash::reporter {

// Not thread-safe: one thread at a time.
class ExitExaminer {
 public:
  // Of the processes of run `run_id` (not 0) whose ledgers are in `directory`.
  ExitExaminer(std::string directory, uint64_t run_id, const ScanOptions& options);

  // Looks for processes that wait, examines each one once and lets it go on, examined or not.
  // Returns as soon as one was, or when `timeout` is over; the number that were let go. The
  // ledgers' headers are read some hundred times a second: that is how long a process waits for
  // nothing.
  int WaitForHeld(std::chrono::milliseconds timeout);

  // The verdicts for the connections of a ledger that was read later; those that have been opened
  // since were not looked at. Empty: its process was not examined.
  Reachability VerdictsFor(const Snapshot& snapshot) const;

  // A sentence for each thing that could not be done.
  const std::vector<std::string>& incomplete() const { return incomplete_; }

 private:
  struct Examined {
    std::vector<Connection> connections;
    Reachability reachability;  // as `connections`
  };

  int LetGoThoseThatWait();
  // Until when the process waits, CLOCK_MONOTONIC in ns; no value: it does not.
  std::optional<uint64_t> WaitsUntil(const std::string& path);
  void Examine(const std::string& path, bool newest_image, uint64_t until_ns);

  const std::string directory_;
  const uint64_t run_id_;
  const ScanOptions options_;
  const LivenessProbe probe_;
  Symboliser symboliser_;
  std::set<std::string> done_;                // ledgers that need not be looked at again
  std::map<std::string, Examined> examined_;  // by path of the ledger
  std::vector<std::string> incomplete_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_EXIT_EXAMINER_H_
