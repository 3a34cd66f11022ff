// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_SPEEDSCOPE_H_
#define PQLEASH_REPORTER_RENDER_SPEEDSCOPE_H_

#include <ostream>

#include "reporter/render/export_stack.h"

namespace pqleash::reporter {

// For www.speedscope.app: a sampled profile of its file-format-schema.json, in which a stack weighs
// as much as it holds open connections. The outermost frame is the service.
void RenderSpeedscope(const Report& report, const ExportOptions& options, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_SPEEDSCOPE_H_
