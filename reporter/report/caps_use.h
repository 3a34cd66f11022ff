// SPDX-License-Identifier: Apache-2.0
//
// What running processes have of the connections that a cap or a pace would speak of, and what it
// would have held back lately, from their ledgers. Pure.

#ifndef PQLEASH_REPORTER_REPORT_CAPS_USE_H_
#define PQLEASH_REPORTER_REPORT_CAPS_USE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/snapshot/snapshot.h"
#include "shim/caps/policy.h"

namespace pqleash::reporter {

struct CapsUse {
  uint64_t processes = 0;
  // Open connections that the policy speaks of, counted as its scope says: of scope process those
  // of the process that has most, else of all together.
  uint64_t open = 0;
  // Of scope process, the processes that have `limit` and more; else all of them or none.
  uint64_t processes_at_limit = 0;
};

// `processes`: living, which the policy holds for.
CapsUse CapsUseOf(const caps::Policy& policy, const std::vector<Snapshot>& processes);

// Whether every next connect of a process would wait or be refused.
bool HoldsAll(const caps::Policy& policy, const CapsUse& use);

// The same in a sentence without a full stop: '17 are open and the limit is 13, so that every next
// connect would wait'.
std::string WhyItHoldsAll(const caps::Policy& policy, const CapsUse& use);

// Of the connects that the history of the ledgers knows, some twenty minutes.
struct WouldHold {
  uint64_t held = 0;      // at least: what happened within ten seconds is known as sums alone
  uint64_t connects = 0;  // that were established
  uint64_t since_ns = 0;  // how far back that is
  // The policy speaks of a target or a call site, and the history has all connects of a process.
  bool of_all = false;
};

WouldHold WouldHaveHeld(const caps::Policy& policy, const std::vector<Snapshot>& processes);

// 'would have held at least 14 of the last 300 connects (5m)'.
std::string DescribeWouldHold(const WouldHold& would);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_CAPS_USE_H_
