// SPDX-License-Identifier: Apache-2.0
//
// A report that was saved as JSON, read back. The file may come from anybody: it is bounded in size
// and depth, and every value that is taken is checked. Texts are not escaped. Not taken are
// connections, histories and what is of one host alone: of a fleet that would be most of the text.

#ifndef PQLEASH_REPORTER_REPORT_SAVED_REPORT_H_
#define PQLEASH_REPORTER_REPORT_SAVED_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "reporter/report/report.h"

namespace pqleash::reporter {

inline constexpr std::string_view kReportSchema = "pqleash.report/1";
inline constexpr std::string_view kAuditSchema = "pqleash.audit/1";

inline constexpr size_t kMaxSavedBytes = 64u << 20;
inline constexpr int kMaxSavedDepth = 16;  // documents have 7

// What an audit says of a finding besides.
struct SavedStanding {
  std::string standing;                    // 'fails', 'noted', 'known' or 'suppressed'
  std::optional<std::string> fingerprint;  // 16 hexadecimal digits
};

struct SavedReport {
  bool of_audit = false;  // of schema kAuditSchema, else of kReportSchema
  Report report;
  std::vector<SavedStanding> standings;  // of an audit: as report.findings

  // Whether finding `index` was suppressed.
  bool Suppressed(size_t index) const {
    return index < standings.size() && standings[index].standing == "suppressed";
  }
};

// Otherwise one sentence: what, where, what was expected, what to do. Not escaped.
using SavedReportResult = std::variant<SavedReport, std::string>;

// Pure. `name` is what the sentence calls the document.
SavedReportResult ParseSavedReport(std::string_view json, const std::string& name);

SavedReportResult ReadSavedReport(const std::string& path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_SAVED_REPORT_H_
