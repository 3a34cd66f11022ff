// SPDX-License-Identifier: Apache-2.0
//
// What an earlier audit found and somebody decided to live with for now.

#ifndef PQLEASH_REPORTER_AUDIT_BASELINE_H_
#define PQLEASH_REPORTER_AUDIT_BASELINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "reporter/audit/audit_report.h"
#include "reporter/report/saved_report.h"

namespace pqleash::reporter {

// Otherwise one sentence. Not escaped.
using BaselineResult = std::variant<Baseline, std::string>;

// All findings of a saved audit but those that were suppressed. Pure.
BaselineResult ToBaseline(SavedReport saved, const std::string& path);

BaselineResult ReadBaseline(const std::string& path);

// Finds the entry of each finding that is not suppressed, sets its standing to kKnown, and marks
// the entry as seen. By kind and call site first; what is left by kind and fingerprint, in the
// order of the entries, so that each entry stands for one finding: a second leak beside a known one
// is new. Pure.
void MatchBaseline(Baseline* baseline, std::vector<AuditFinding>* findings);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_AUDIT_BASELINE_H_
