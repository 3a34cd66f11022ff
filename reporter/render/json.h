// SPDX-License-Identifier: Apache-2.0
//
// For programs: the documents 'pqleash.report/1' and 'pqleash.ps/1'. ASCII only, so that no
// terminal can be steered by what a process wrote; bytes that are not UTF-8 become U+FFFD.

#ifndef PQLEASH_REPORTER_RENDER_JSON_H_
#define PQLEASH_REPORTER_RENDER_JSON_H_

#include <ostream>

#include "reporter/render/json_values.h"
#include "reporter/report/report.h"

namespace pqleash::reporter {

// The document, for those that add to it.
Json ReportJson(const Report& report);

void RenderReportJson(const Report& report, std::ostream& out);
void RenderProcessListJson(const ProcessList& list, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_JSON_H_
