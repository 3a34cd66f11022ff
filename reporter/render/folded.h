// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_FOLDED_H_
#define PQLEASH_REPORTER_RENDER_FOLDED_H_

#include <ostream>

#include "reporter/render/export_stack.h"

namespace pqleash::reporter {

// For flamegraph.pl, difffolded.pl and whatever else reads folded stacks: a line
// 'service;outermost;...;innermost count' for each stack that holds open connections, in order of
// their bytes. Inside of names a semicolon is ':' and a blank '_', as the stackcollapse scripts
// have them.
void RenderFolded(const Report& report, const ExportOptions& options, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_FOLDED_H_
