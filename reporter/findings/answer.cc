// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/answer.h"

#include <fmt/format.h>

#include "reporter/findings/service.h"

namespace pqleash::reporter {
namespace {

std::string NothingSpeaksForIt(const Observation& observation) {
  uint64_t open = 0;
  uint64_t in_use = 0;
  uint64_t peak = 0;
  for (const Snapshot& snapshot : observation.snapshots) {
    if (!MayLive(snapshot.process.life)) continue;
    open += snapshot.totals.open;
    in_use += snapshot.totals.in_use;
    peak += snapshot.totals.in_use_peak;
  }
  if (open == 0) return "No leak, and no limit that is too small: no connection is open";
  return fmt::format(
      "No leak, and no limit that is too small: {} {} open, {} in use now and at most {} at once",
      Count(open, "connection"), open == 1 ? "is" : "are", in_use, peak);
}

}  // namespace

Answer AnswerOf(const Observation& observation, const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    if (finding.answer) return *finding.answer;
  }
  return {Answer::Verdict::kNone, NothingSpeaksForIt(observation)};
}

}  // namespace pqleash::reporter
