// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/finding.h"

namespace pqleash::reporter {

std::string_view NameOf(Answer::Verdict verdict) {
  switch (verdict) {
    case Answer::Verdict::kLeak:
      return "leak";
    case Answer::Verdict::kTooSmall:
      return "too-small";
    case Answer::Verdict::kTooLarge:
      return "too-large";
    case Answer::Verdict::kDemand:
      return "demand";
    case Answer::Verdict::kChurn:
      return "churn";
    case Answer::Verdict::kServer:
      return "server";
    case Answer::Verdict::kOther:
      return "other";
    case Answer::Verdict::kEarly:
      return "early";
    case Answer::Verdict::kUnobserved:
      return "unobserved";
    case Answer::Verdict::kNone:
      break;
  }
  return "none";
}

}  // namespace pqleash::reporter
