// SPDX-License-Identifier: Apache-2.0
//
// Whether a service has no connection left to take, and whether it has more to do than it had. What
// demand-spike, saturated and lock-wait are told apart by.

#ifndef PQLEASH_REPORTER_FINDINGS_EXHAUSTION_H_
#define PQLEASH_REPORTER_FINDINGS_EXHAUSTION_H_

#include <cstdint>
#include <optional>

#include "reporter/findings/detector.h"
#include "reporter/findings/service.h"

namespace pqleash::reporter {

// A number of one period, now and before.
struct Level {
  uint64_t usual = 0;    // the lower quartile of the earlier periods: what is done when all is well
  uint64_t largest = 0;  // of the recent ones
  bool known = false;    // there were earlier periods with work in them
};

Level LevelOf(const Service& service, uint64_t Activity::*field);

// How many of the recent periods have at least `floor` and `times` the usual.
size_t RaisedPeriods(const Service& service, uint64_t Activity::*field, uint64_t floor,
                     double times);

// All that there are in use all the time, or waited for: the pool has no more to give.
bool IsExhausted(const Service& service, const Thresholds& thresholds);

// Whether it does more than it did: three times as much; half as much again where the pool is full
// and was not before, since it can show no more than its size.
bool HasMoreToDo(const Service& service, const Thresholds& thresholds);

// How long a use of a connection takes now, and took when nothing was wrong.
struct Slowness {
  uint64_t now_ns = 0;
  uint64_t before_ns = 0;
};

// Where the same work takes so much longer than in the program's quickest periods that a larger
// pool would only send the server more of what it is slow with. nullopt: it does not, or is not
// known to.
std::optional<Slowness> SlowerUses(const Service& service, const Thresholds& thresholds);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_EXHAUSTION_H_
