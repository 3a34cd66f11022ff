// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_OBSERVE_NOTHING_SELECTED_H_
#define PQLEASH_REPORTER_OBSERVE_NOTHING_SELECTED_H_

#include <string>
#include <vector>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// Why none of `there` was chosen, and what to ask for instead: half a sentence that goes on after
// 'Nothing was looked at: '. `there`: all that has a ledger; `services`: what was asked for, empty:
// any; `whose`: of whom ledgers were looked for, after 'no process', such as ' of this user'. Pure.
// Not escaped.
std::string WhyNothingSelected(const std::vector<Snapshot>& there,
                               const std::vector<std::string>& services, const std::string& whose);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_OBSERVE_NOTHING_SELECTED_H_
