// SPDX-License-Identifier: Apache-2.0
//
// What has changed between two saved reports. Plain values; texts are not escaped.

#ifndef PQLEASH_REPORTER_REPORT_REPORT_DIFF_H_
#define PQLEASH_REPORTER_REPORT_REPORT_DIFF_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/report/saved_report.h"

namespace pqleash::reporter {

enum class SiteChange { kNew, kGrown, kShrunk, kGone };

struct SiteCounts {
  uint64_t open = 0;
  uint64_t failed = 0;
  uint64_t opened = 0;
  auto operator<=>(const SiteCounts&) const = default;
};

struct SiteDiff {
  SiteChange change = SiteChange::kNew;
  uint64_t id = 0;
  std::string place;  // 'function (file:line)'
  SiteCounts before;
  SiteCounts after;
};

struct DiffSide {
  std::string path;
  uint64_t generated_realtime_ns = 0;  // 0: not known
  std::string host;
  uint64_t processes = 0;
  uint64_t open = 0;
  uint64_t opened = 0;
  std::vector<std::string> incomplete;
  uint64_t call_sites_left_out = 0;
};

struct ReportDiff {
  uint64_t generated_realtime_ns = 0;  // when they were compared; of whoever compares
  DiffSide before;
  DiffSide after;
  std::vector<SiteDiff> call_sites;  // new, grown, shrunk, gone; each by the size of the change
  uint64_t unchanged_call_sites = 0;
  std::vector<Finding> new_findings;
  std::vector<Finding> gone_findings;
  // Of the earlier report, where the later one was made too early to judge or had nothing to look
  // at: neither there nor gone. The sentence is that report's answer.
  std::vector<Finding> not_judged_findings;
  std::string why_not_judged;
  uint64_t unchanged_findings = 0;
};

// Call sites are matched by id, findings by kind and call site. Grown or shrunk goes by open
// connections; where these are equal by failed connects, then by opened. Counts of one id are
// added up. Suppressed findings of audits are no findings. Pure.
ReportDiff Diff(const SavedReport& before, const std::string& before_path, const SavedReport& after,
                const std::string& after_path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_REPORT_DIFF_H_
