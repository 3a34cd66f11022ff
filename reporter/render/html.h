// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_HTML_H_
#define PQLEASH_REPORTER_RENDER_HTML_H_

#include <ostream>
#include <string>

#include "reporter/report/report.h"

namespace pqleash::reporter {

// The page of reporter/web with the report in it: one file that loads nothing. Its content security
// policy allows its own scripts and styles alone, by their hashes.
void RenderReportHtml(const Report& report, std::ostream& out);

// A document as the content of a <script> element: nothing in it ends the element or begins a
// comment.
std::string ScriptData(const std::string& ascii_json);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_HTML_H_
