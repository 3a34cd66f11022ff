// SPDX-License-Identifier: Apache-2.0

#include <utility>

#include "reporter/findings/severity.h"
#include "reporter/render/audit.h"
#include "reporter/render/json.h"
#include "reporter/render/json_values.h"
#include "reporter/report/saved_report.h"

namespace pqleash::reporter {
namespace {

void AddStanding(const AuditReport& audit, const AuditFinding& finding, Json* json) {
  (*json)["standing"] = NameOf(finding.standing);
  (*json)["fingerprint"] = OrNull(finding.fingerprint);
  (*json)["connections"] = finding.finding.connections;
  (*json)["known_connections"] =
      finding.standing == Standing::kKnown ? Json(finding.known_connections) : Json(nullptr);
  (*json)["suppressed_by"] =
      finding.suppression ? Json(audit.suppressions[*finding.suppression].source) : Json(nullptr);
}

Json ToJson(const Baseline& baseline) {
  Json gone = Json::array();
  uint64_t seen = 0;
  for (const BaselineEntry& entry : baseline.entries) {
    seen += entry.seen;
    if (entry.seen) continue;
    gone.push_back({{"kind", entry.kind},
                    {"summary", entry.summary},
                    {"call_site", TextOrNull(entry.call_site)},
                    {"fingerprint", OrNull(entry.fingerprint)},
                    {"connections", entry.connections}});
  }
  return {{"file", baseline.path}, {"seen", seen}, {"no_longer_seen", std::move(gone)}};
}

Json ToJson(const std::vector<SuppressionUse>& suppressions) {
  Json json = Json::array();
  for (const SuppressionUse& use : suppressions) {
    json.push_back({{"text", use.text},
                    {"source", use.source},
                    {"findings", use.findings},
                    {"connections", use.connections}});
  }
  return json;
}

}  // namespace

void RenderAuditJson(const AuditReport& audit, std::ostream& out) {
  const Json report = ReportJson(audit.report);
  Json json = {
      {"schema", kAuditSchema},
      {"program",
       {{"name", audit.program.name},
        {"exit_code", audit.program.exit_code < 0 ? Json(nullptr) : Json(audit.program.exit_code)},
        {"signal", Known(audit.program.signal)}}},
      {"fail_on", NameOf(audit.fail_on)},
      {"kinds", audit.kinds},
      {"failing", CountWith(audit, Standing::kFails)},
      {"notes", audit.notes},
      {"suppressions", ToJson(audit.suppressions)},
      {"baseline", audit.baseline ? ToJson(*audit.baseline) : Json(nullptr)}};
  for (const auto& [key, value] : report.items()) {
    if (key != "schema") json[key] = value;
  }
  for (size_t i = 0; i < audit.findings.size(); ++i)
    AddStanding(audit, audit.findings[i], &json["findings"][i]);
  WriteJson(json, out);
}

}  // namespace pqleash::reporter
