// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/severity.h"
#include "reporter/render/layout.h"
#include "reporter/render/server_text.h"
#include "reporter/render/text_call_site.h"
#include "reporter/render/text_stack.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

uint64_t OpenIn(const std::vector<ReportProcess>& processes) {
  uint64_t open = 0;
  for (const ReportProcess& process : processes) {
    if (MayLive(process.life)) open += process.totals.open;
  }
  return open;
}

uint64_t CountWith(const std::vector<ReportProcess>& processes, Life life) {
  return static_cast<uint64_t>(
      std::count_if(processes.begin(), processes.end(),
                    [&](const ReportProcess& process) { return process.life == life; }));
}

std::string Processes(uint64_t count) {
  return fmt::format("{} process{}", count, count == 1 ? "" : "es");
}

std::string HeadLine(const Report& report) {
  std::string line =
      fmt::format("pqleash report, {} UTC, host {}: {}", UtcTime(report.generated_realtime_ns),
                  Escape(report.host), Processes(report.processes.size()));
  const uint64_t gone = report.processes.size() - CountWith(report.processes, Life::kLive) -
                        CountWith(report.processes, Life::kUnknown);
  if (gone != 0) line += fmt::format(" ({} no longer there)", gone);
  return line + fmt::format(", {}", Count(OpenIn(report.processes), "open connection"));
}

// Without the year, which is in a report's first line.
std::string ShortTime(uint64_t realtime_ns) {
  const std::string time = UtcTime(realtime_ns);
  return time.size() > 5 ? time.substr(5) : time;
}

std::string StateOf(const ReportProcess& process) {
  // What is detached lives on, as a rule, and nothing is known of it.
  const bool detached = process.attachment == Attachment::kDetached;
  std::string state(detached ? NameOf(process.attachment) : NameOf(process.life));
  // The column of the begin says since when.
  if (process.attachment == Attachment::kAttached) state += ", attached";
  if (process.attachment == Attachment::kBegun) state += ", attach not finished";
  if (process.last_realtime_ns == 0) return state;
  // A process is killed some time after its last sign of life; only the end by exit() is known to
  // the moment.
  const char* word = process.life == Life::kEnded ? "" : "last seen ";
  return fmt::format("{}, {}{}", state, word, ShortTime(process.last_realtime_ns));
}

// `unrecorded`: with that column; a report has a sentence on it.
void WriteProcesses(const std::vector<ReportProcess>& processes, bool unrecorded, size_t indent,
                    std::ostream& out) {
  constexpr size_t kServiceColumns = 20;
  constexpr size_t kExeColumns = 21;
  std::vector<Column> columns = {{"pid", true},    {"service"},      {"state"},
                                 {"open", true},   {"opened", true}, {"closed", true},
                                 {"failed", true}, {"since (UTC)"},  {"exe"}};
  constexpr ptrdiff_t kUnrecordedAt = 7;
  if (unrecorded) columns.insert(columns.begin() + kUnrecordedAt, {"unrecorded", true});
  std::vector<std::vector<std::string>> rows;
  for (const ReportProcess& process : processes) {
    const Totals& totals = process.totals;
    std::vector<std::string> row = {std::to_string(process.pid),
                                    CutEnd(Escape(process.service), kServiceColumns),
                                    StateOf(process),
                                    std::to_string(totals.open),
                                    std::to_string(totals.opened),
                                    std::to_string(totals.closed),
                                    std::to_string(totals.failed),
                                    ShortTime(process.since_realtime_ns),
                                    CutFront(Escape(process.exe), kExeColumns)};
    if (unrecorded) {
      row.insert(row.begin() + kUnrecordedAt, std::to_string(totals.unrecorded_connections));
    }
    rows.push_back(std::move(row));
  }
  WriteTable(columns, rows, indent, out);
}

std::string EvidenceText(const Evidence& evidence) {
  std::string name = evidence.name;
  std::replace(name.begin(), name.end(), '_', ' ');
  // Of uses and short lives.
  if (evidence.unit == "s" && evidence.number > 0 && evidence.number < 0.1) {
    return fmt::format("{} {:.0f} ms", Escape(name), evidence.number * 1'000);
  }
  if (evidence.unit == "s") {
    return fmt::format("{} {}", Escape(name),
                       HumanDuration(static_cast<uint64_t>(std::max(0.0, evidence.number) *
                                                           static_cast<double>(kSecond))));
  }
  return fmt::format("{} {}{}", Escape(name), evidence.number, evidence.unit == "%" ? " %" : "");
}

void WriteFinding(size_t number, const Finding& finding, bool native_frames, const Style& style,
                  std::ostream& out) {
  const std::string head = fmt::format("{}: {} ({})", NameOf(finding.severity),
                                       Escape(finding.kind), NameOf(finding.confidence));
  out << fmt::format("{:3}. ", number) << BySeverity(style, finding.severity, head) << '\n';
  WriteWrapped("     ", Escape(finding.summary) + ".", out);
  std::vector<std::string> numbers;
  for (const Evidence& evidence : finding.evidence) numbers.push_back(EvidenceText(evidence));
  if (!numbers.empty()) WriteItems("     evidence: ", numbers, out);
  WriteWrapped("     what to do: ", Escape(finding.advice) + ".", out);
  if (finding.call_site) out << "     call site: " << CallSiteName(*finding.call_site) << '\n';
  for (const FindingStack& stack : finding.stacks) {
    out << fmt::format("     {} (call site {}), innermost first\n", Escape(stack.what),
                       CallSiteName(stack.call_site));
    WriteStackText(stack.frames, native_frames, 7, style, out);
    if (stack.frames.empty()) out << "       not recorded\n";
  }
}

void WriteFindings(const Report& report, bool native_frames, const Style& style,
                   std::ostream& out) {
  out << '\n';
  if (report.findings.empty()) {
    out << style.Bold("Findings: none") << '\n';
    return;
  }
  out << style.Bold(fmt::format("Findings ({})", report.findings.size())) << '\n';
  size_t number = 0;
  for (const Finding& finding : report.findings) {
    WriteFinding(++number, finding, native_frames, style, out);
  }
}

void WriteCallSites(const Report& report, bool native_frames, const Style& style,
                    std::ostream& out) {
  out << '\n';
  if (report.call_sites.empty() && report.call_sites_left_out == 0) {
    out << style.Bold("Call sites: none") << '\n';
    return;
  }
  out << style.Bold(fmt::format("Call sites ({}), most suspicious first",
                                report.call_sites.size() + report.call_sites_left_out))
      << '\n';
  size_t number = 0;
  for (const ReportCallSite& site : report.call_sites) {
    WriteCallSiteText(++number, site, native_frames, style, out);
  }
  if (report.call_sites_left_out != 0) {
    out << fmt::format("     and {} more, left out as asked\n", report.call_sites_left_out);
  }
}

// Where it is worth a word how, and how much of, a process's use of libpq was seen.
void WriteCoverage(const std::vector<ReportProcess>& processes, const Style& style,
                   std::ostream& out) {
  bool titled = false;
  for (const ReportProcess& process : processes) {
    if (IsPlain(process.coverage)) continue;
    if (!titled) out << '\n' << style.Bold("Coverage") << '\n';
    titled = true;
    out << fmt::format("  {} {}\n", process.pid, Escape(process.service));
    for (const LibpqCopy& copy : process.coverage.copies) {
      WriteWrapped("     ", Escape(DescribeCopy(copy)), out);
    }
    for (const Bypass& bypass : Bypasses(process.coverage)) {
      WriteWrapped("     not covered: ", Escape(bypass.what) + ".", out);
      WriteWrapped("     what to do: ", Escape(bypass.advice) + ".", out);
    }
  }
}

}  // namespace

void RenderFindingText(size_t number, const Finding& finding, const TextOptions& options,
                       std::ostream& out) {
  WriteFinding(number, finding, options.native_frames, Style(options.colour), out);
}

void RenderReportText(const Report& report, const TextOptions& options, std::ostream& out) {
  const Style style(options.colour);
  out << style.Bold(HeadLine(report)) << '\n';
  WriteIncomplete(report.incomplete, style, out);
  out << '\n';
  WriteWrapped("", Escape(report.answer.sentence) + ".", out);
  WriteFindings(report, options.native_frames, style, out);
  if (report.server) WriteServerText(*report.server, style, out);
  WriteCallSites(report, options.native_frames, style, out);
  if (!report.processes.empty()) {
    out << '\n' << style.Bold("Processes") << '\n';
    WriteProcesses(report.processes, /*unrecorded=*/false, 1, out);
  }
  WriteCoverage(report.processes, style, out);
}

void RenderProcessListText(const ProcessList& list, bool colour, std::ostream& out) {
  const Style style(colour);
  WriteProcesses(list.processes, /*unrecorded=*/true, 0, out);
  WriteIncomplete(list.incomplete, style, out);
}

}  // namespace pqleash::reporter
