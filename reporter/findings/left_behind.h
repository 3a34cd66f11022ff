// SPDX-License-Identifier: Apache-2.0
//
// The rule for a leak that nothing in memory proves: connections of a pool that were put down and
// never taken up again, while the pool grew beside them. FINDINGS.md has the reasons, and the
// healthy neighbours that it must not accuse.

#ifndef PQLEASH_REPORTER_FINDINGS_LEFT_BEHIND_H_
#define PQLEASH_REPORTER_FINDINGS_LEFT_BEHIND_H_

#include <cstdint>
#include <set>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/pool.h"

namespace pqleash::reporter {

// What is suspected of one or more pools of a service to one target.
struct LeftBehind {
  std::vector<Pooled> connections;
  std::set<uint64_t> moments;  // seconds in which these were opened
  uint64_t open = 0;           // of the pools that have any of these
  uint64_t worked_with_peak = 0;
  uint64_t stuck = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t closed_life_ns = 0;
  uint64_t processes = 0;
};

// The connections of `pool` that a leak may have left, those of `leave_out` aside; none where the
// pool works as pools do. Added to `sum`. Two measures:
//  - `patient`: left for thresholds.left_for_good_ns, whenever that was;
//  - otherwise: left for thresholds.left_behind_idle_ns, of a pool that grows now, and of which it
//    is known that its program gives connections back or closes them.
void AddLeftBehind(const Pool& pool, const Thresholds& thresholds, bool patient,
                   const std::set<const Connection*>& leave_out, LeftBehind* sum);

// Connections of a pool that are used once and dropped, and that something closes late: the
// collector of an interpreter's garbage, or an age limit that is looked at by chance. Their number
// goes up and down, so that no growth tells. What tells: none is ever taken up again, many are open
// for each that is at work, they are opened at an even pace, and closed in heaps. (Sessions of
// clients that hold one each are closed as evenly as they are opened.) Added to `sum`: all that are
// idle.
void AddDropped(const Pool& pool, const Thresholds& thresholds, LeftBehind* sum);

// Whether that is no coincidence any more.
bool IsLeak(const LeftBehind& left, const Thresholds& thresholds, bool patient);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_LEFT_BEHIND_H_
