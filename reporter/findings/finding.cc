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

Answer::Verdict VerdictNamed(std::string_view name) {
  using Verdict = Answer::Verdict;
  for (const Verdict verdict :
       {Verdict::kNone, Verdict::kLeak, Verdict::kTooSmall, Verdict::kTooLarge, Verdict::kDemand,
        Verdict::kChurn, Verdict::kServer, Verdict::kEarly, Verdict::kUnobserved}) {
    if (name == NameOf(verdict)) return verdict;
  }
  return Verdict::kOther;
}

}  // namespace pqleash::reporter
