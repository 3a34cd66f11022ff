// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_OBSERVE_MAKE_REPORT_H_
#define PQLEASH_REPORTER_OBSERVE_MAKE_REPORT_H_

#include "reporter/observe/collect.h"
#include "reporter/report/report.h"

namespace pqleash::reporter {

// snapshot → symbols → call sites → findings → report. `server` is the view of a server to join
// with it; nullptr: none. `some_processes`: the snapshots are not of all processes.
Report MakeReport(Collected collected, const Filter& filter, const ServerView* server = nullptr,
                  bool some_processes = false);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_OBSERVE_MAKE_REPORT_H_
