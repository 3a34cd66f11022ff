// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_FINDINGS_ANSWER_H_
#define PQLEASH_REPORTER_FINDINGS_ANSWER_H_

#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/finding.h"

namespace pqleash::reporter {

// The one line to 'is it a leak, or is the limit too small?': that of the first finding that has
// one, or what speaks against both. `findings` as FindAll orders them. Pure.
Answer AnswerOf(const Observation& observation, const std::vector<Finding>& findings);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_ANSWER_H_
