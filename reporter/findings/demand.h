// SPDX-License-Identifier: Apache-2.0
//
// How many connections the processes of one service needed at once, from what their ledgers
// recorded. Pure.

#ifndef PQLEASH_REPORTER_FINDINGS_DEMAND_H_
#define PQLEASH_REPORTER_FINDINGS_DEMAND_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "reporter/snapshot/snapshot.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {

// Idle inside of a transaction for longer, or left in the middle of an answer, a connection counts
// as forgotten, not as needed, though the ledger has it in use. A program may be busy with what it
// has read of an answer, so that this takes longer to tell.
inline constexpr uint64_t kForgottenInTransactionNs = 10 * kSecond;
inline constexpr uint64_t kForgottenInAnswerNs = kMinute;
bool IsForgotten(const Snapshot& snapshot, const Connection& connection);

// Connections that live for less are demand as they are opened; the others are kept by a pool.
inline constexpr uint64_t kShortLifeNs = kHistoryPeriodNs;

// A number of connections and when it was reached.
struct Peak {
  uint64_t connections = 0;
  uint64_t realtime_ns = 0;  // begin of those ten seconds; 0: before the history begins
};

// What a histogram says.
struct TimeSummary {
  uint64_t count = 0;
  uint64_t mean_ns = 0;
  uint64_t p95_ns = 0;  // 95 in 100 took at most this; a bucket's end, so up to twice too long
};
TimeSummary Summarise(const TimeHistogram& histogram);

// Of several processes numbers are sums, of peaks the largest sum over the processes of one period
// of ten seconds, so that peaks at different times do not add up.
struct Demand {
  uint64_t processes = 0;    // most that were alive at once
  uint64_t observed_ns = 0;  // from the first connect of the oldest on
  uint64_t open = 0;
  uint64_t open_peak = 0;
  uint64_t process_open_peak = 0;  // of one process: the largest
  uint64_t in_use = 0;
  Peak in_use_peak;                  // without those forgotten
  Peak process_peak;                 // the same of one process: the largest
  uint64_t forgotten = 0;            // of in_use: see IsForgotten
  std::optional<double> busy_share;  // of the last minutes; no value: nothing was held
  uint64_t window_ns = 0;            // these minutes
  double uses_per_s = 0;             // in them
  double connects_per_s = 0;         // in them
  TimeSummary use;                   // since the start
  TimeSummary wait;                  // at caps
  uint64_t closed = 0;
  uint64_t usual_life_ns = 0;  // of the closed ones, on average
  bool short_lived = false;    // nearly all are closed within kShortLifeNs

  // Little's law (connections at once = arrivals a second × seconds that each stays), for those of
  // short life, in the busiest period. Connects that a cap refused are arrivals, too.
  uint64_t little = 0;  // rounded up; 0: does not apply
  double little_arrivals_per_s = 0;

  uint64_t held_back = 0;         // connects that waited at a cap or were refused by one, lately
  uint64_t server_full = 0;       // connects that the server refused, as far as the history goes
  uint64_t server_full_ever = 0;  // since the start
  uint64_t held_when_full = 0;    // most that were open in such a period
  // It had half as many again open then as in the lowest periods before; or it was full from the
  // beginning of the history, so that there is nothing to compare with. A victim of a full server
  // holds what it always did.
  bool grew_to_full = false;
  // All open connections were opened by threads of their own, and there are several.
  bool one_each_thread = false;
};

// Those of `processes` that live; where none does, the newest. What is open 'now' is theirs.
std::vector<size_t> CurrentOf(const std::vector<Snapshot>& snapshots,
                              const std::vector<size_t>& processes);

// `processes` are indexes into `snapshots`: of one service, at least one.
Demand DemandOf(const std::vector<Snapshot>& snapshots, const std::vector<size_t>& processes);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_DEMAND_H_
