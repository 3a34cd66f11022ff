// SPDX-License-Identifier: Apache-2.0
//
// Call sites with a fault, by line of code. One helper that many call has a call site for each of
// its callers. A few of them are told apart by who calls; of many the line is what they share.

#ifndef PQLEASH_REPORTER_FINDINGS_LINES_H_
#define PQLEASH_REPORTER_FINDINGS_LINES_H_

#include <cstddef>
#include <functional>
#include <vector>

#include "reporter/findings/detector.h"

namespace pqleash::reporter {

// So many callers of one line have findings of their own; of more there is one finding.
inline constexpr size_t kToldApart = 3;

struct FaultyLine {
  std::vector<const CallSiteGroup*> sites;  // in order of id; one at least
  CallSiteGroup sum;                        // of them, with id and stack of the first
};

// The groups for which `has_fault` holds, in order of the first one's id. Those that no caller
// tells apart are one line, and so are all of one headline with more than kToldApart callers. Where
// the observation asks for it, those alone are one whose application has the same functions
// throughout. Pure; the result refers to `observation`.
std::vector<FaultyLine> FaultyLines(const Observation& observation,
                                    const std::function<bool(const CallSiteGroup&)>& has_fault);

// Sets `call_site` and `other_sites`.
void SetSites(const FaultyLine& line, Finding* finding);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_LINES_H_
