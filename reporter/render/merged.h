// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_MERGED_H_
#define PQLEASH_REPORTER_RENDER_MERGED_H_

#include <ostream>

#include "reporter/render/text.h"
#include "reporter/report/report.h"

namespace pqleash::reporter {

// A report of several (Report::merged) for people: findings, call sites, and a table of hosts and
// services in the place of processes. Everything is escaped.
void RenderMergedText(const Report& report, const TextOptions& options, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_MERGED_H_
