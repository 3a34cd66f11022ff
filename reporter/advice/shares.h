// SPDX-License-Identifier: Apache-2.0
//
// What is proposed for each service, against the slots that there are for all.

#ifndef PQLEASH_REPORTER_ADVICE_SHARES_H_
#define PQLEASH_REPORTER_ADVICE_SHARES_H_

#include <cstdint>

#include "reporter/advice/advice.h"

namespace pqleash::reporter {

// Lowers the limit of a service to `limit`, and those of its processes with it, but not below one
// for each process.
void LimitTo(uint64_t limit, uint64_t processes, ProposedCap* service, ProposedCap* process);

// Adds the limits up. Where they are more than options.max, each service gets what would do for it
// and a part of the rest; where even that is too much, each is lowered by the same factor.
void ShareOut(Advice* advice);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ADVICE_SHARES_H_
