// SPDX-License-Identifier: Apache-2.0
//
// What `caps` shows: caps and paces in force, how things stand at them, and who holds and waits.
// Plain values; texts are not escaped.

#ifndef PQLEASH_REPORTER_CAPS_CAPS_REPORT_H_
#define PQLEASH_REPORTER_CAPS_CAPS_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/snapshot/board.h"
#include "reporter/snapshot/occasion.h"

namespace pqleash::reporter {

struct CapsHolder {
  int32_t pid = 0;
  std::string service;
  uint64_t call_site = 0;  // id; 0: not known
  std::string label;
  uint64_t count = 0;
  uint64_t oldest_age_ns = 0;
  bool ended = false;  // the process is gone: given back when somebody needs it
};

struct CapsWaiter {
  int32_t pid = 0;
  std::string service;
  uint64_t call_site = 0;
  std::string label;
  uint64_t waiting_ns = 0;
  uint64_t left_ns = 0;  // until it is refused
};

// Of a policy of scope process, in one process.
struct CapsProcess {
  int32_t pid = 0;
  std::string service;
  PolicyCounters counters;
  std::optional<uint64_t> oldest_wait_ns;  // of those that wait; no value: nobody does
};

struct CapsPolicy {
  std::string board;   // path of the file that it was read from
  BoardPolicy policy;  // of scope process: counters are those of all `processes`
  std::optional<uint64_t> oldest_wait_ns;
  std::optional<uint64_t> at_limit_ns;     // how long connects have been held back
  std::optional<uint64_t> quiet_ns;        // since a connect was held back last
  std::optional<uint64_t> server_full_ns;  // how long the server has refused connects
  uint64_t next_try_ns = 0;                // of a server that is full; 0: it is due
  std::vector<CapsProcess> processes;      // of scope process alone, by pid
  std::vector<CapsHolder> holders;         // most connections first
  std::vector<CapsWaiter> waiters;         // in the order of their arrival
};

struct CapsBoard {
  std::string path;
  uint64_t pid_namespace = 0;
  uint64_t processes = 0;
  uint64_t uncounted = 0;
  uint64_t repairs = 0;
};

struct CapsReport {
  uint64_t generated_realtime_ns = 0;
  std::string host;
  std::vector<CapsBoard> boards;
  std::vector<CapsPolicy> policies;     // by service, then name
  std::vector<std::string> incomplete;  // a sentence each: what is missing
};

// A shared board.
struct BoardSource {
  std::string path;
  BoardSnapshot snapshot;
};

// The board of one living process.
struct ProcessBoardSource {
  int32_t pid = 0;  // as the reader sees it
  std::string service;
  std::string ledger;  // path
  BoardSnapshot snapshot;
};

// Policies of scope process are on a shared board, and what has happened at them on the boards of
// processes in the same directory. `now_ns`: CLOCK_MONOTONIC. `incomplete` gets the boards' own
// warnings added.
CapsReport BuildCapsReport(const std::vector<BoardSource>& shared,
                           const std::vector<ProcessBoardSource>& processes, uint64_t now_ns,
                           std::vector<std::string> incomplete, const Occasion& occasion);

// Keeps the policies called `name` (empty: any) that hold for one of `services` (empty: any).
void KeepPolicies(const std::string& name, const std::vector<std::string>& services,
                  CapsReport* report);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CAPS_CAPS_REPORT_H_
