// SPDX-License-Identifier: Apache-2.0
//
// A report as JSON from anywhere: read, merged with itself, compared, taken for a baseline, shown.

#include "reporter/report/saved_report.h"

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "reporter/audit/baseline.h"
#include "reporter/render/diff.h"
#include "reporter/render/json.h"
#include "reporter/render/json_values.h"
#include "reporter/render/merged.h"
#include "reporter/report/merged_report.h"
#include "reporter/report/report_diff.h"
#include "tests/fuzz/check.h"

namespace pqleash::fuzz {
namespace {

using namespace reporter;

const Occasion kOccasion = {1'763'702'000'000'000'000, "db-client-7"};

void CheckJson(std::string_view text) {
  CheckAscii(text);
  Check(Json::accept(text), "the document is JSON", text);
}

void ShowMerged(const Report& report, bool colour) {
  Report elsewhere = report;
  elsewhere.host += "-2";
  Report merged = Merge({{"a.json", report}, {"b.json", std::move(elsewhere)}}, {}, kOccasion);
  KeepTop(3, &merged);
  std::ostringstream text;
  RenderMergedText(merged, {colour, /*native_frames=*/true}, text);
  CheckText(text.str(), colour);
  std::ostringstream json;
  RenderReportJson(merged, json);
  CheckJson(json.str());
  const SavedReportResult again = ParseSavedReport(json.str(), "merged.json");
  if (const auto* problem = std::get_if<std::string>(&again)) {
    Check(json.str().size() > kMaxSavedBytes, "what was merged can be merged again", *problem);
  }
}

void ShowDiff(const SavedReport& before, const SavedReport& after, bool colour) {
  const ReportDiff diff = Diff(before, "before.json", after, "after.json");
  std::ostringstream text;
  RenderDiffText(diff, colour, text);
  CheckText(text.str(), colour);
  std::ostringstream json;
  RenderDiffJson(diff, json);
  CheckJson(json.str());
}

}  // namespace
}  // namespace pqleash::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pqleash::fuzz;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  SavedReportResult result = ParseSavedReport(input, "the.json");
  if (const auto* problem = std::get_if<std::string>(&result)) {
    Check(problem->find("the.json") != std::string::npos, "a problem names the file", *problem);
    return 0;
  }
  const auto& report = std::get<SavedReport>(result);
  const bool colour = ChoiceOf(data, size) % 2 == 0;
  ShowMerged(report.report, colour);
  ShowDiff({}, report, colour);
  ShowDiff(report, {}, colour);
  const ReportDiff same = Diff(report, "a.json", report, "b.json");
  Check(same.call_sites.empty() && same.new_findings.empty() && same.gone_findings.empty(),
        "a report is like itself");
  (void)ToBaseline(report, "the.json");
  return 0;
}
