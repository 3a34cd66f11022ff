// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/changes.h"

#include <utility>
#include <variant>

#include "reporter/report/saved_report.h"
#include "reporter/words/diagnose.h"

namespace pqleash::reporter {
namespace {

std::optional<SavedReport> Read(const std::string& path) {
  SavedReportResult result = ReadSavedReport(path);
  if (const auto* problem = std::get_if<std::string>(&result)) {
    Diagnose("diff: " + *problem);
    return std::nullopt;
  }
  return std::get<SavedReport>(std::move(result));
}

}  // namespace

std::optional<ReportDiff> ChangesBetween(const std::string& before, const std::string& after) {
  const auto before_report = Read(before);
  const auto after_report = Read(after);
  if (!before_report || !after_report) return std::nullopt;
  return Diff(*before_report, before, *after_report, after);
}

}  // namespace pqleash::reporter
