// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/render/layout.h"
#include "reporter/render/merged.h"
#include "reporter/render/text_call_site.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/escape.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kHostsShown = 6;      // of a finding or a call site
constexpr size_t kHostRowsShown = 60;  // of the table
constexpr size_t kNameColumns = 40;

std::string HeadLine(const Report& report) {
  std::set<std::string> hosts;
  for (const ReportSource& source : report.sources) hosts.insert(source.host);
  uint64_t open = 0;
  for (const ReportProcess& process : report.processes)
    open += MayLive(process.life) ? process.totals.open : 0;
  const size_t processes = report.processes.size();
  return fmt::format("pqleash report, {} UTC, merged from {} of {}: {} process{}, {}",
                     UtcTime(report.generated_realtime_ns), Count(report.sources.size(), "report"),
                     Count(hosts.size(), "host"), processes, processes == 1 ? "" : "es",
                     Count(open, "open connection"));
}

void WriteHosts(const std::vector<std::string>& hosts, std::ostream& out) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(hosts.size(), kHostsShown); ++i)
    names.push_back(CutEnd(Escape(hosts[i]), kNameColumns));
  if (hosts.size() > kHostsShown)
    names.push_back(fmt::format("and {} more", hosts.size() - kHostsShown));
  if (!names.empty()) WriteItems("     hosts: ", names, out);
}

void WriteFinding(size_t number, const Finding& finding, const TextOptions& options,
                  std::ostream& out) {
  RenderFindingText(number, finding, options, out);
  if (finding.call_site) out << "     call site: " << CallSiteName(*finding.call_site) << '\n';
  WriteHosts(finding.hosts, out);
}

void WriteCallSite(size_t number, const ReportCallSite& site, const TextOptions& options,
                   std::ostream& out) {
  WriteCallSiteText(number, site, options.native_frames, Style(options.colour), out);
  WriteHosts(site.hosts, out);
}

void WriteHostTable(const std::vector<ReportProcess>& processes, const Style& style,
                    std::ostream& out) {
  struct Row {
    uint64_t processes = 0;
    uint64_t gone = 0;
    Totals sums;
  };
  std::map<std::pair<std::string, std::string>, Row> rows;
  for (const ReportProcess& process : processes) {
    Row& row = rows[{process.host_name, process.service}];
    ++row.processes;
    row.gone += MayLive(process.life) ? 0 : 1;
    row.sums.open += process.totals.open;
    row.sums.opened += process.totals.opened;
    row.sums.closed += process.totals.closed;
    row.sums.failed += process.totals.failed;
  }
  std::vector<std::pair<std::pair<std::string, std::string>, Row>> sorted(rows.begin(), rows.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second.sums.open > b.second.sums.open;
  });
  std::vector<std::vector<std::string>> table;
  for (size_t i = 0; i < std::min(sorted.size(), kHostRowsShown); ++i) {
    const auto& [name, row] = sorted[i];
    table.push_back({CutEnd(Escape(name.first), kNameColumns),
                     CutEnd(Escape(name.second), kNameColumns), std::to_string(row.processes),
                     std::to_string(row.gone), std::to_string(row.sums.open),
                     std::to_string(row.sums.opened), std::to_string(row.sums.closed),
                     std::to_string(row.sums.failed)});
  }
  out << '\n' << style.Bold("Hosts, who hold most first") << '\n';
  WriteTable({{"host"},
              {"service"},
              {"processes", true},
              {"gone", true},
              {"open", true},
              {"opened", true},
              {"closed", true},
              {"failed", true}},
             table, 1, out);
  if (sorted.size() > kHostRowsShown)
    out << fmt::format(" and {} more\n", sorted.size() - kHostRowsShown);
}

}  // namespace

void RenderMergedText(const Report& report, const TextOptions& options, std::ostream& out) {
  const Style style(options.colour);
  out << style.Bold(HeadLine(report)) << '\n';
  WriteIncomplete(report.incomplete, style, out);
  out << '\n';
  WriteWrapped("", Escape(report.answer.sentence) + ".", out);
  out << '\n'
      << style.Bold(report.findings.empty() ? "Findings: none"
                                            : fmt::format("Findings ({})", report.findings.size()))
      << '\n';
  size_t number = 0;
  for (const Finding& finding : report.findings) WriteFinding(++number, finding, options, out);
  out << '\n'
      << style.Bold(
             report.call_sites.empty()
                 ? "Call sites: none"
                 : fmt::format("Call sites ({}), most suspicious first", report.call_sites.size()))
      << '\n';
  number = 0;
  for (const ReportCallSite& site : report.call_sites) WriteCallSite(++number, site, options, out);
  if (report.call_sites_left_out != 0)
    out << fmt::format("     and {} more, left out of the reports or as asked\n",
                       report.call_sites_left_out);
  if (!report.processes.empty()) WriteHostTable(report.processes, style, out);
}

}  // namespace pqleash::reporter
