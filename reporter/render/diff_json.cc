// SPDX-License-Identifier: Apache-2.0

#include <utility>

#include "reporter/findings/severity.h"
#include "reporter/render/diff.h"
#include "reporter/render/json_values.h"
#include "reporter/snapshot/names.h"

namespace pqleash::reporter {
namespace {

Json ToJson(const DiffSide& side) {
  return {{"file", side.path},
          {"generated_at", Timestamp(side.generated_realtime_ns)},
          {"host", side.host},
          {"processes", side.processes},
          {"open", side.open},
          {"opened_total", side.opened},
          {"incomplete", side.incomplete},
          {"call_sites_left_out", side.call_sites_left_out}};
}

Json ToJson(const SiteCounts& counts) {
  return {{"open", counts.open}, {"opened_total", counts.opened}, {"failed_total", counts.failed}};
}

Json ToJson(const std::vector<SiteDiff>& sites) {
  Json array = Json::array();
  for (const SiteDiff& site : sites) {
    array.push_back({{"id", CallSiteName(site.id)},
                     {"change", NameOf(site.change)},
                     {"place", site.place},
                     {"before", ToJson(site.before)},
                     {"after", ToJson(site.after)}});
  }
  return array;
}

Json ToJson(const std::vector<Finding>& findings) {
  Json array = Json::array();
  for (const Finding& finding : findings) {
    array.push_back({{"kind", finding.kind},
                     {"confidence", NameOf(finding.confidence)},
                     {"severity", NameOf(finding.severity)},
                     {"summary", finding.summary},
                     {"call_site", SiteOrNull(finding.call_site)},
                     {"advice", finding.advice}});
  }
  return array;
}

}  // namespace

void RenderDiffJson(const ReportDiff& diff, std::ostream& out) {
  WriteJson({{"schema", "pqleash.diff/1"},
             {"generated_at", Timestamp(diff.generated_realtime_ns)},
             {"before", ToJson(diff.before)},
             {"after", ToJson(diff.after)},
             {"new_findings", ToJson(diff.new_findings)},
             {"gone_findings", ToJson(diff.gone_findings)},
             {"not_judged_findings", ToJson(diff.not_judged_findings)},
             {"unchanged_findings", diff.unchanged_findings},
             {"call_sites", ToJson(diff.call_sites)},
             {"unchanged_call_sites", diff.unchanged_call_sites}},
            out);
}

}  // namespace pqleash::reporter
