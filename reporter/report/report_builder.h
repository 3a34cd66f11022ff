// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_REPORT_REPORT_BUILDER_H_
#define PQLEASH_REPORTER_REPORT_REPORT_BUILDER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/caps/caps_report.h"
#include "reporter/findings/detector.h"
#include "reporter/report/report.h"
#include "reporter/snapshot/occasion.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// The thresholds of findings under a filter: what is asked to be shown is judged by the same
// numbers.
Thresholds ThresholdsFor(const Filter& filter);

// Pure. `call_sites` are the groups of `snapshots`, with their frames. `incomplete` names what
// could not be read; the snapshots' own warnings are added. `reachability` is as `snapshots`, or
// empty: no memory was looked at.
Report BuildReport(const std::vector<Snapshot>& snapshots,
                   const std::vector<CallSiteGroup>& call_sites, const Filter& filter,
                   std::vector<std::string> incomplete, const Occasion& occasion,
                   std::span<const Reachability> reachability = {},
                   const std::vector<CapsPolicy>& caps = {});

ProcessList BuildProcessList(const std::vector<Snapshot>& snapshots,
                             std::vector<std::string> incomplete, const Occasion& occasion);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_REPORT_BUILDER_H_
