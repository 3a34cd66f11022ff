// SPDX-License-Identifier: Apache-2.0
//
// In words: whether a service needs a limit, and what helps at once where no limit does.

#ifndef PQLEASH_REPORTER_ADVICE_VERDICT_H_
#define PQLEASH_REPORTER_ADVICE_VERDICT_H_

#include "reporter/advice/advice.h"

namespace pqleash::reporter {

// Sets needed, summary and at_once, once all limits are what they are going to be.
void Pronounce(const AdviceOptions& options, ServiceAdvice* service);

// 'less than 1 ms', '40 ms', '2 s'.
std::string BriefDuration(uint64_t ns);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ADVICE_VERDICT_H_
