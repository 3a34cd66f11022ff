// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_FINDINGS_PROCESS_CHURN_H_
#define PQLEASH_REPORTER_FINDINGS_PROCESS_CHURN_H_

#include <vector>

#include "reporter/findings/detector.h"

namespace pqleash::reporter {

// Whether the process did one piece of work, left no connection open, and began within the last
// minute before `realtime_ns`.
bool IsJobOfLate(const Snapshot& snapshot, uint64_t realtime_ns);

// A process for each piece of work (fork, cron, CGI), which connects, works for a moment and ends:
// none of them is a service that churns, and all of them together are. By the ledgers of those that
// ended lately, of which a limited number is kept.
std::vector<Finding> FindProcessChurn(const Observation& observation);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_PROCESS_CHURN_H_
