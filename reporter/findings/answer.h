// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_FINDINGS_ANSWER_H_
#define PQLEASH_REPORTER_FINDINGS_ANSWER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/finding.h"

namespace pqleash::reporter {

// A headline is read at a glance, by somebody who was woken up.
inline constexpr size_t kMaxWords = 30;

// `sentence`; where it has more than kMaxWords words, as many of its clauses as have no more, and
// at least a third; failing that its first kMaxWords words and '...'. A clause ends with ',', ';'
// or ':' outside of brackets and quotes. Pure.
std::string InFewWords(const std::string& sentence);

// The one line to 'is it a leak, or is the limit too small?': that of the first finding that has
// one, or what speaks against both; kMaxWords at most. `findings` as FindAll orders them. Pure.
Answer AnswerOf(const Observation& observation, const std::vector<Finding>& findings);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_ANSWER_H_
