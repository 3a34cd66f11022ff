// SPDX-License-Identifier: Apache-2.0
//
// A report that was saved as JSON, read back into plain values. The file may come from anybody: it
// is bounded in size and depth, and every value that is taken is checked. Texts are not escaped.

#ifndef PQLEASH_REPORTER_REPORT_SAVED_REPORT_H_
#define PQLEASH_REPORTER_REPORT_SAVED_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "reporter/findings/finding.h"
#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

inline constexpr std::string_view kReportSchema = "pqleash.report/1";
inline constexpr std::string_view kAuditSchema = "pqleash.audit/1";

inline constexpr size_t kMaxSavedBytes = 64u << 20;
inline constexpr int kMaxSavedDepth = 16;  // documents have 7

struct SavedProcess {
  int32_t pid = 0;
  std::string service;
  std::string exe;
  std::string host;
  std::string state;  // 'live', 'ended', ...
  std::string since;  // RFC 3339: its first connect; empty: not known
  uint64_t open = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
};

struct SavedCallSite {
  std::string id;                // 16 hexadecimal digits, or 'unknown'
  std::vector<std::string> ids;  // all that stand for it, `id` among them; may be empty
  uint64_t processes = 0;
  uint64_t open = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
  uint64_t peak = 0;
  uint64_t in_use = 0;
  uint64_t in_use_peak = 0;
  std::optional<double> oldest_age_s;
  std::optional<double> max_idle_s;
  std::vector<SourceFrame> frames;
  std::optional<size_t> headline;  // index into `frames`
  std::optional<size_t> caller;    // as `headline`
  std::vector<std::string> hosts;  // of a merged report; else empty: the report's
};

struct SavedFinding {
  std::string kind;
  Confidence confidence = Confidence::kLikely;
  Severity severity = Severity::kWarning;
  std::string summary;
  std::string advice;
  std::optional<std::string> call_site;
  std::vector<Evidence> evidence;
  std::vector<std::string> hosts;  // as of a call site
  // Of an audit alone.
  std::string standing;                    // 'fails', 'noted', 'known' or 'suppressed'
  std::optional<std::string> fingerprint;  // 16 hexadecimal digits
  uint64_t connections = 0;
};

struct SavedReport {
  std::string schema;        // kReportSchema or kAuditSchema
  std::string generated_at;  // RFC 3339; empty: not known
  std::string host;
  std::vector<SavedProcess> processes;
  std::vector<SavedCallSite> call_sites;
  std::string verdict;  // of the answer: 'none', 'leak', ...; empty: it has none
  std::string answer;   // the sentence
  std::vector<SavedFinding> findings;
  std::vector<std::string> incomplete;
  uint64_t call_sites_left_out = 0;
};

// Otherwise one sentence: what, where, what was expected, what to do. Not escaped.
using SavedReportResult = std::variant<SavedReport, std::string>;

// Pure. `name` is what the sentence calls the document.
SavedReportResult ParseSavedReport(std::string_view json, const std::string& name);

SavedReportResult ReadSavedReport(const std::string& path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_SAVED_REPORT_H_
