// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_DOCTOR_CHECK_H_
#define PQLEASH_REPORTER_DOCTOR_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

namespace pqleash::reporter {

enum class Verdict {
  kOk,
  kWarn,  // something will be missing
  kFail,  // nothing, or the wrong thing, will be recorded
};

// One line of a diagnosis. Strings may hold what others have named: escape them before showing.
struct Check {
  Verdict verdict = Verdict::kOk;
  std::string what;
  std::string detail;  // no full stop
  std::string advice;  // what to do; empty where all is well
};

struct Diagnosis {
  uint64_t generated_realtime_ns = 0;
  std::string host;
  std::vector<Check> checks;

  bool Passed() const {
    for (const Check& check : checks) {
      if (check.verdict == Verdict::kFail) return false;
    }
    return true;
  }
};

inline Check Ok(std::string what, std::string detail) {
  return {Verdict::kOk, std::move(what), std::move(detail), {}};
}
inline Check Warn(std::string what, std::string detail, std::string advice) {
  return {Verdict::kWarn, std::move(what), std::move(detail), std::move(advice)};
}
inline Check Fail(std::string what, std::string detail, std::string advice) {
  return {Verdict::kFail, std::move(what), std::move(detail), std::move(advice)};
}

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_DOCTOR_CHECK_H_
