// SPDX-License-Identifier: Apache-2.0
//
// `pqleash report` of saved reports.

#ifndef PQLEASH_REPORTER_COMMANDS_MERGE_H_
#define PQLEASH_REPORTER_COMMANDS_MERGE_H_

#include <string>
#include <vector>

#include "reporter/report/merged_report.h"
#include "reporter/report/report.h"

namespace pqleash::reporter {

// Whether the file is JSON, by its first byte that is no blank. false: a ledger, or it cannot be
// read, which whoever reads it as a ledger says.
bool IsSavedReport(const std::string& path);

// Reads the files, on all processors, and merges them in their order, after `here` (nullptr: none).
// What cannot be read or is no report is named in `incomplete`, and left out.
Report MergeFiles(const std::vector<std::string>& paths, const Report* here,
                  std::vector<std::string> incomplete);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_MERGE_H_
