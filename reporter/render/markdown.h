// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_MARKDOWN_H_
#define PQLEASH_REPORTER_RENDER_MARKDOWN_H_

#include <ostream>
#include <string>
#include <string_view>

#include "reporter/render/export_stack.h"

namespace pqleash::reporter {

// Call sites that are written where --top does not say how many.
inline constexpr size_t kMarkdownCallSites = 5;

// For an incident channel, an issue or a post-mortem: the answer, the findings, and the first call
// sites with their stacks. What came from another process is neither markup nor HTML, mentions
// nobody and is no link.
void RenderMarkdown(const Report& report, const ExportOptions& options, std::ostream& out);

// `bytes`, escaped, as running text or the cell of a table.
std::string MarkdownText(std::string_view bytes);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_MARKDOWN_H_
