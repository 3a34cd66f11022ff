// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <string>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/severity.h"
#include "reporter/render/diff.h"
#include "reporter/render/layout.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/escape.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kPlaceColumns = 60;

void WriteSide(std::string_view label, const DiffSide& side, std::ostream& out) {
  std::string text = fmt::format(
      "{}, host {}{}: {} process{}, {} open, {} opened", side.path, side.host,
      side.generated_realtime_ns == 0 ? "" : ", " + Rfc3339(side.generated_realtime_ns),
      side.processes, side.processes == 1 ? "" : "es", Count(side.open, "connection"), side.opened);
  if (side.call_sites_left_out != 0)
    text += fmt::format("; {} were left out of it", Count(side.call_sites_left_out, "call site"));
  WriteWrapped(label, Escape(text), out);
  for (const std::string& sentence : side.incomplete)
    WriteWrapped("     incomplete: ", Escape(sentence), out);
}

// '3 -> 7', or the one number where it is the same.
std::string Step(uint64_t before, uint64_t after) {
  return before == after ? std::to_string(after) : fmt::format("{} -> {}", before, after);
}

void WriteCallSites(const ReportDiff& diff, const Style& style, std::ostream& out) {
  out << '\n'
      << style.Bold(fmt::format("Call sites: {} changed, {} unchanged", diff.call_sites.size(),
                                diff.unchanged_call_sites))
      << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const SiteDiff& site : diff.call_sites) {
    rows.push_back({std::string(NameOf(site.change)), Step(site.before.open, site.after.open),
                    Step(site.before.opened, site.after.opened),
                    Step(site.before.failed, site.after.failed), CallSiteName(site.id),
                    CutEnd(Escape(site.place), kPlaceColumns)});
  }
  if (!rows.empty()) {
    WriteTable(
        {{""}, {"open", true}, {"opened", true}, {"failed", true}, {"call site"}, {"opened by"}},
        rows, 2, out);
  }
}

void WriteFindings(const std::string& title, const std::vector<Finding>& findings,
                   const Style& style, std::ostream& out) {
  out << '\n' << style.Bold(fmt::format("{} ({})", title, findings.size())) << '\n';
  size_t number = 0;
  for (const Finding& finding : findings) {
    const std::string head = fmt::format("{}: {} ({})", NameOf(finding.severity),
                                         Escape(finding.kind), NameOf(finding.confidence));
    out << fmt::format("{:3}. ", ++number) << BySeverity(style, finding.severity, head) << '\n';
    WriteWrapped("     ", Escape(finding.summary) + ".", out);
    if (finding.call_site) out << "     call site: " << CallSiteName(*finding.call_site) << '\n';
  }
}

}  // namespace

std::string_view NameOf(SiteChange change) {
  switch (change) {
    case SiteChange::kNew:
      return "new";
    case SiteChange::kGrown:
      return "grown";
    case SiteChange::kShrunk:
      return "shrunk";
    case SiteChange::kGone:
      break;
  }
  return "gone";
}

void RenderDiffText(const ReportDiff& diff, bool colour, std::ostream& out) {
  const Style style(colour);
  WriteSide("before: ", diff.before, out);
  WriteSide("after:  ", diff.after, out);
  WriteFindings("New findings", diff.new_findings, style, out);
  WriteFindings("Gone findings", diff.gone_findings, style, out);
  if (!diff.not_judged_findings.empty()) {
    WriteFindings("Not judged yet", diff.not_judged_findings, style, out);
    WriteWrapped("  ", Escape(diff.why_not_judged) + ".", out);
  }
  if (diff.unchanged_findings != 0)
    out << fmt::format("\n{} in both\n", Count(diff.unchanged_findings, "finding"));
  WriteCallSites(diff, style, out);
}

}  // namespace pqleash::reporter
