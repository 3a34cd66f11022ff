// SPDX-License-Identifier: Apache-2.0

#include <utility>

#include "reporter/findings/severity.h"
#include "reporter/render/json_parts.h"
#include "reporter/render/json_values.h"
#include "reporter/render/merged.h"

namespace pqleash::reporter {
namespace {

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

template <typename Value>
Json OrNull(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json ToJson(const MergedSource& source) {
  return {{"file", source.name},
          {"host", source.host},
          {"generated_at", TextOrNull(source.generated_at)},
          {"processes", source.processes}};
}

Json ToJson(const SavedProcess& process) {
  return {{"pid", process.pid},
          {"service", process.service},
          {"exe", process.exe},
          {"alive", process.state == "unknown" ? Json(nullptr) : Json(process.state == "live")},
          {"state", process.state},
          {"open", process.open},
          {"opened_total", process.opened},
          {"closed_total", process.closed},
          {"failed_total", process.failed},
          {"since", TextOrNull(process.since)},
          {"host", process.host}};
}

Json ToJson(const SavedCallSite& site) {
  Json frames = Json::array();
  for (const SourceFrame& frame : site.frames) frames.push_back(FrameJson(frame));
  return {{"id", site.id},
          {"hosts", site.hosts},
          {"processes", site.processes},
          {"open", site.open},
          {"opened_total", site.opened},
          {"closed_total", site.closed},
          {"failed_total", site.failed},
          {"peak", site.peak},
          {"in_use", site.in_use},
          {"in_use_peak", site.in_use_peak},
          {"oldest_age_s", OrNull(site.oldest_age_s)},
          {"max_idle_s", OrNull(site.max_idle_s)},
          {"headline", OrNull(site.headline)},
          {"caller", OrNull(site.caller)},
          {"frames", std::move(frames)}};
}

Json ToJson(const SavedFinding& finding) {
  Json evidence = Json::array();
  for (const Evidence& each : finding.evidence)
    evidence.push_back({{"name", each.name}, {"number", each.number}, {"unit", each.unit}});
  return {{"kind", finding.kind},
          {"confidence", NameOf(finding.confidence)},
          {"severity", NameOf(finding.severity)},
          {"hosts", finding.hosts},
          {"summary", finding.summary},
          {"call_site", OrNull(finding.call_site)},
          {"evidence", std::move(evidence)},
          {"advice", finding.advice}};
}

template <typename Value>
Json ToJsonArray(const std::vector<Value>& values) {
  Json array = Json::array();
  for (const Value& value : values) array.push_back(ToJson(value));
  return array;
}

}  // namespace

void RenderMergedJson(const MergedReport& report, std::ostream& out) {
  WriteJson({{"schema", kReportSchema},
             {"generated_at", Timestamp(report.generated_realtime_ns)},
             {"host", report.host},
             {"merged", ToJsonArray(report.sources)},
             {"incomplete", report.incomplete},
             {"processes", ToJsonArray(report.processes)},
             {"answer", {{"verdict", report.verdict}, {"sentence", report.answer}}},
             {"findings", ToJsonArray(report.findings)},
             {"call_sites", ToJsonArray(report.call_sites)},
             {"call_sites_left_out", report.call_sites_left_out}},
            out);
}

}  // namespace pqleash::reporter
