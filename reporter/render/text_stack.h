// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_TEXT_STACK_H_
#define PQLEASH_REPORTER_RENDER_TEXT_STACK_H_

#include <cstddef>
#include <ostream>
#include <vector>

#include "reporter/render/layout.h"
#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

// A line for each frame, innermost first, after `indent` blanks. Behind the first frame of a script
// native ones are the interpreter's own and its callers: unless `native` they are counted, not
// shown. Frames keep their numbers.
void WriteStackText(const std::vector<SourceFrame>& frames, bool native, size_t indent,
                    const Style& style, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_TEXT_STACK_H_
