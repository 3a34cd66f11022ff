// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_DOCTOR_OBSERVED_H_
#define PQLEASH_REPORTER_DOCTOR_OBSERVED_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/doctor/check.h"
#include "reporter/doctor/program.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// What a ledger says about how much of its process was seen. `mapped`: what the process has mapped,
// where that is known. Pure.
std::vector<Check> JudgeLedger(const Snapshot& snapshot, const MappedFiles& mapped);

// A running process.
struct Running {
  int32_t pid = 0;
  bool may_look = false;  // into its /proc/PID/maps
  MappedFiles mapped;
  std::optional<Snapshot> snapshot;
  std::string why_no_ledger;  // where there is none
};
Running LookAtProcess(int32_t pid, const std::string& directory);
std::vector<Check> Judge(const Running& running);  // pure

// A program that was run under the library, with a directory of ledgers of its own.
struct Trial {
  std::string problem;  // why there was none; empty: it ran
  int wait_status = 0;
  std::vector<Snapshot> snapshots;
  std::vector<std::string> unreadable;
  std::vector<std::string> log_problems;  // warnings and errors of the library's log
};
// The program's stdout goes to stderr.
Trial RunTrial(const std::vector<std::string>& command, const std::string& library);
std::vector<Check> Judge(const Trial& trial, const Program& program);  // pure

// Lines of a log of the library that say that something is wrong. Pure.
std::vector<std::string> LogProblems(const std::string& log);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_DOCTOR_OBSERVED_H_
