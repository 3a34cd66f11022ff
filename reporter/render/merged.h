// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_MERGED_H_
#define PQLEASH_REPORTER_RENDER_MERGED_H_

#include <ostream>

#include "reporter/render/text.h"
#include "reporter/report/merged_report.h"

namespace pqleash::reporter {

// For people: findings, call sites, and a table of hosts and services in the place of processes.
// Everything is escaped.
void RenderMergedText(const MergedReport& report, const TextOptions& options, std::ostream& out);

// Of schema pqleash.report/1, with `merged` (the reports that went into it), `hosts` of findings
// and call sites, and without what is not added up: connections, times, history, coverage. It can
// be merged and compared again.
void RenderMergedJson(const MergedReport& report, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_MERGED_H_
