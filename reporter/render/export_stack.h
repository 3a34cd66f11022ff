// SPDX-License-Identifier: Apache-2.0
//
// Stacks as flame graphs have them, for the formats that other tools read.

#ifndef PQLEASH_REPORTER_RENDER_EXPORT_STACK_H_
#define PQLEASH_REPORTER_RENDER_EXPORT_STACK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/report/report.h"

namespace pqleash::reporter {

struct ExportOptions {
  bool native_frames = false;  // with the interpreter's own frames in stacks of scripts
};

// The frames to show, innermost first: without the native ones that a script's frames stand for,
// unless they are asked for. Refers to `frames`.
std::vector<const SourceFrame*> ShownFrames(const std::vector<SourceFrame>& frames,
                                            const ExportOptions& options);

// 'shop::Connect(int)', 'views.py:handle_order', 'libdriver.so.1+0x1234' or '0x7f0012345678'.
// Without line and directory, so that a deploy leaves it as it is. Escaped.
std::string FlameName(const SourceFrame& frame);

// The open connections of one service at one call site.
struct OpenStack {
  const ReportCallSite* site = nullptr;
  std::string service;  // not escaped
  uint64_t open = 0;    // never 0
};

// Those that the report shows, by service and then in the order of its call sites. Refers to
// `report`.
std::vector<OpenStack> OpenStacks(const Report& report);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_EXPORT_STACK_H_
