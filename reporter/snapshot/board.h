// SPDX-License-Identifier: Apache-2.0
//
// What one board (shim/caps/layout.h) said at one moment, as plain values. Texts are what other
// processes wrote: any bytes, to be escaped by whoever shows them. Indexes are checked. Times are
// CLOCK_MONOTONIC of the board's host and may lie in the future.

#ifndef PQLEASH_REPORTER_SNAPSHOT_BOARD_H_
#define PQLEASH_REPORTER_SNAPSHOT_BOARD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "shim/caps/layout.h"
#include "shim/caps/policy.h"

namespace pqleash::reporter {

// How often what happened at a policy, and how things stand.
struct PolicyCounters {
  uint64_t use = 0;
  uint64_t peak = 0;
  uint64_t waiting = 0;
  uint64_t admitted = 0;
  uint64_t warned = 0;     // of these, beyond the limit
  uint64_t waited = 0;     // of these, after a wait
  uint64_t refused = 0;    // at once
  uint64_t timed_out = 0;  // refused after a wait
  uint64_t longest_wait_ns = 0;
  uint64_t entered_ns = 0;            // since when at the limit; 0: it is not
  uint64_t held_back_ns = 0;          // when a connect was held back last
  uint64_t server_full_since_ns = 0;  // 0: the server takes connections
  uint64_t probe_at_ns = 0;           // of a server that is full: the next try
  uint64_t probes = 0;                // that failed so far
  bool probing = false;               // a try is under way
  uint64_t server_full_count = 0;
};

// A cap or a pace in force.
struct BoardPolicy {
  uint32_t number = 0;      // below caps::kMaxPolicies
  caps::Policy filed = {};  // texts are terminated; kind is kCap or kPace
  caps::Rule rule = {};     // in force
  bool overridden = false;  // `rule` is `pqleash caps set`'s
  bool from_operator = false;
  std::string service;     // whose processes it holds for; empty: all of the user's
  int32_t changed_by = 0;  // pid of the operator's latest change; 0: none
  PolicyCounters counters;
};

// A process on the board.
struct BoardMember {
  int32_t pid = 0;  // in the pid namespace of the board
  uint64_t start_ticks = 0;
  uint64_t stack_start = 0;
  std::string service;
  std::string ledger;  // name of the file; empty: none
  // Filled in by whoever looked at the process itself.
  bool ended = false;  // what it holds is given back when somebody needs it
};

struct BoardWaiter {
  uint64_t policies = 0;   // bit i: waits for policy number i
  size_t member = 0;       // index
  uint64_t call_site = 0;  // id; 0: not known
  std::string label;       // of the call site
  uint32_t slot = 0;       // of the connection, in the ledger of its process
  uint64_t since_ns = 0;
  uint64_t deadline_ns = 0;
};

// What one call site of one process holds at one policy.
struct BoardHolder {
  uint32_t policy = 0;  // number
  size_t member = 0;    // index
  uint64_t call_site = 0;
  std::string label;
  uint64_t count = 0;
  uint64_t oldest_ns = 0;  // since when the oldest is held
};

struct BoardSnapshot {
  bool shared = false;
  uint64_t pid_namespace = 0;
  std::vector<BoardPolicy> policies;  // by number
  std::vector<BoardMember> members;
  std::vector<BoardWaiter> waiters;   // in the order of their arrival
  std::vector<BoardHolder> holders;   // by policy, then most connections first
  uint64_t uncounted = 0;             // connects that went on without an entry
  uint64_t repairs = 0;               // times that a process died inside
  std::vector<std::string> warnings;  // a sentence each: what of this board is missing or odd
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_BOARD_H_
