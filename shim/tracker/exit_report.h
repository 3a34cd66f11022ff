// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_TRACKER_EXIT_REPORT_H_
#define PQLEASH_SHIM_TRACKER_EXIT_REPORT_H_

#include "shim/log/output.h"
#include "shim/tracker/process.h"

namespace pqleash::tracker {

// PQLEASH_REPORT_AT_EXIT: what the process left open, a paragraph a call site, with the names of
// exported functions where there are any. Files and lines need debug information, which `pqleash
// report` reads; its command line is the last line. At most 16 call sites of 12 frames. No heap.
void WriteExitReport(const Process& process, const log::Output& output) noexcept;

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_EXIT_REPORT_H_
