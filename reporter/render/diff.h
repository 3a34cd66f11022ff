// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_DIFF_H_
#define PQLEASH_REPORTER_RENDER_DIFF_H_

#include <ostream>
#include <string_view>

#include "reporter/report/report_diff.h"

namespace pqleash::reporter {

// 'new', 'grown', 'shrunk', 'gone'.
std::string_view NameOf(SiteChange change);

// For people; escaped. `colour`: with terminal attributes.
void RenderDiffText(const ReportDiff& diff, bool colour, std::ostream& out);

// The document 'pqleash.diff/1'. ASCII only.
void RenderDiffJson(const ReportDiff& diff, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_DIFF_H_
