// SPDX-License-Identifier: Apache-2.0
//
// Many saved reports as one: of a fleet's hosts, say. Plain values; texts are not escaped.

#ifndef PQLEASH_REPORTER_REPORT_MERGED_REPORT_H_
#define PQLEASH_REPORTER_REPORT_MERGED_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/report/report.h"
#include "reporter/snapshot/occasion.h"

namespace pqleash::reporter {

struct NamedReport {
  std::string name;  // of the file
  Report report;
};

// Call sites that have an id in common are one, and findings of one kind and call site. What counts
// is added up, as peaks are: the most that can have been open at once. Of ages, idle times and
// thresholds (evidence in seconds), and of percentages, it is the greatest; a finding is proven
// where any of them is. Each names its hosts, in order of the alphabet.
//
// A process that is in two reports would be counted twice: of these only the later report is taken,
// and `incomplete` names the other. `incomplete` begins with what is handed over. Pure.
Report Merge(std::vector<NamedReport> reports, std::vector<std::string> incomplete,
             const Occasion& occasion);

// Leaves `top` call sites.
void KeepTop(uint64_t top, Report* report);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_MERGED_REPORT_H_
