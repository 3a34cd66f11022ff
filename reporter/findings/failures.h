// SPDX-License-Identifier: Apache-2.0
//
// Connects that fail, by their reasons, of a whole service.

#ifndef PQLEASH_REPORTER_FINDINGS_FAILURES_H_
#define PQLEASH_REPORTER_FINDINGS_FAILURES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "reporter/findings/detector.h"
#include "reporter/findings/service.h"

namespace pqleash::reporter {

struct FailureSum {
  FailureReason reason = FailureReason::kOther;
  uint64_t count = 0;
  uint64_t last_ago_ns = 0;
  std::string text;        // what server or system said; may hold bytes of theirs
  uint64_t call_site = 0;  // id; of the last one; 0: not known
};

// Of one reason, in all processes of the service; nullopt: there were none.
std::optional<FailureSum> FailuresOf(const Observation& observation, const Service& service,
                                     FailureReason reason);

// The reason that most connects of the service failed for, of those reasons that some have failed
// for in the last `within_ns`.
std::optional<FailureSum> MostFailed(const Observation& observation, const Service& service,
                                     uint64_t within_ns);

// 'the password or another proof was refused': after 'since'.
std::string ReasonInWords(FailureReason reason);

// 'authentication': for scripts.
std::string_view NameOf(FailureReason reason);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_FAILURES_H_
