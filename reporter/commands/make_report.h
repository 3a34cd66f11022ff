// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_MAKE_REPORT_H_
#define PQLEASH_REPORTER_COMMANDS_MAKE_REPORT_H_

#include "reporter/commands/collect.h"
#include "reporter/report/report.h"

namespace pqleash::reporter {

// snapshot → symbols → call sites → findings → report.
Report MakeReport(Collected collected, const Filter& filter);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_MAKE_REPORT_H_
