// SPDX-License-Identifier: Apache-2.0
//
// For people: good enough to paste into an incident channel. Everything that came from another
// process is escaped.

#ifndef PQLEASH_REPORTER_RENDER_TEXT_H_
#define PQLEASH_REPORTER_RENDER_TEXT_H_

#include <cstddef>
#include <ostream>

#include "reporter/report/report.h"

namespace pqleash::reporter {

// Connections that are listed of one call site.
inline constexpr size_t kConnectionsShown = 5;

struct TextOptions {
  bool colour = false;         // with terminal attributes
  bool native_frames = false;  // show the interpreter's own frames in stacks of scripts
};

// One finding, with its stacks. `number`: what it is listed by.
void RenderFindingText(size_t number, const Finding& finding, const TextOptions& options,
                       std::ostream& out);

void RenderReportText(const Report& report, const TextOptions& options, std::ostream& out);
// `colour`: with terminal attributes.
void RenderProcessListText(const ProcessList& list, bool colour, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_TEXT_H_
