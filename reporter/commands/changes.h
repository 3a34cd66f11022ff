// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_CHANGES_H_
#define PQLEASH_REPORTER_COMMANDS_CHANGES_H_

#include <optional>
#include <string>

#include "reporter/report/report_diff.h"

namespace pqleash::reporter {

// Reads two saved reports and compares them. No value: one cannot be used, and stderr says why.
std::optional<ReportDiff> ChangesBetween(const std::string& before, const std::string& after);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_CHANGES_H_
