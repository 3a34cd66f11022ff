// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/markdown.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/call_sites/told_apart.h"
#include "reporter/findings/detector.h"
#include "reporter/findings/severity.h"
#include "reporter/render/layout.h"
#include "reporter/render/text_stack.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

// Of a name: functions of templates have no end.
constexpr size_t kTitleColumns = 120;
// Of a stack.
constexpr size_t kLines = 24;

// Of text that is escaped.
std::string Markup(std::string_view text) {
  std::string markdown;
  for (size_t i = 0; i < text.size(); ++i) {
    const char byte = text[i];
    if (byte == '<') {
      markdown += "&lt;";
    } else if (byte == '&') {
      markdown += "&amp;";
    } else if (byte == '@') {
      // No backslash keeps people from being called: a word joiner behind it does.
      markdown += "@\u2060";
    } else if (std::string_view("\\`*_[]~|$").find(byte) != std::string_view::npos) {
      markdown += {'\\', byte};
    } else if (text.compare(i, 3, "://") == 0 ||
               (byte == '.' && i >= 3 &&
                (text.compare(i - 3, 3, "www") == 0 || text.compare(i - 3, 3, "WWW") == 0))) {
      markdown += {'\\', byte};  // what looks like an address becomes a link by itself
    } else {
      markdown += byte;
    }
  }
  return markdown;
}

// A fence that nothing inside can close.
std::string FenceFor(std::string_view text) {
  size_t longest = 2;
  size_t run = 0;
  for (const char byte : text) {
    run = byte == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return std::string(longest + 1, '`');
}

void WriteStack(const ReportCallSite& site, const ExportOptions& options, std::ostream& out) {
  std::ostringstream whole;
  WriteStackText(site.frames, options.native_frames, 0, Style(false), whole);
  std::istringstream lines(whole.str());
  std::string text;
  std::string line;
  for (size_t i = 0; std::getline(lines, line); ++i) {
    if (i < kLines) text += "   " + line + '\n';
    if (i == kLines) text += "   ...\n";
  }
  if (site.frames.empty()) text = "   (not recorded)\n";
  const std::string fence = FenceFor(text);
  out << "   " << fence << "text\n" << text << "   " << fence << '\n';
}

void WriteCallSite(size_t number, const ReportCallSite& site, const ExportOptions& options,
                   std::ostream& out) {
  const std::string title = site.headline ? DescribeSite(site.frames, site.headline, site.caller)
                                          : "connects without a recorded stack";
  std::string counters = fmt::format("{} open, {} opened, {} closed, {} failed", site.open,
                                     site.opened, site.closed, site.failed);
  if (site.processes > 1) counters += fmt::format(", in {} processes", site.processes);
  if (site.oldest_age_ns)
    counters += fmt::format(", oldest {}", HumanDuration(*site.oldest_age_ns));
  if (site.max_idle_ns)
    counters += fmt::format(", longest idle {}", HumanDuration(*site.max_idle_ns));
  out << fmt::format("{}. {}: {} (call site {})\n\n", number,
                     Markup(CutEnd(Escape(title), kTitleColumns)), counters, CallSiteName(site.id));
  WriteStack(site, options, out);
}

void WriteFindings(const std::vector<Finding>& findings, std::ostream& out) {
  if (findings.empty()) {
    out << "\nFindings: none\n";
    return;
  }
  out << "\n| # | Severity | Finding | Confidence | What | What to do "
         "|\n|--:|---|---|---|---|---|\n";
  size_t number = 0;
  for (const Finding& finding : findings) {
    out << fmt::format("| {} | {} | {} | {} | {} | {} |\n", ++number, NameOf(finding.severity),
                       finding.kind, NameOf(finding.confidence), MarkdownText(finding.summary),
                       MarkdownText(finding.advice));
  }
}

uint64_t OpenNow(const std::vector<ReportProcess>& processes) {
  uint64_t open = 0;
  for (const ReportProcess& process : processes) {
    if (process.life == Life::kLive || process.life == Life::kUnknown) open += process.totals.open;
  }
  return open;
}

}  // namespace

std::string MarkdownText(std::string_view bytes) { return Markup(Escape(bytes)); }

void RenderMarkdown(const Report& report, const ExportOptions& options, std::ostream& out) {
  out << fmt::format("**{}.**\n\npqleash report, {} UTC, host {}: {} process{}, {} open\n",
                     MarkdownText(report.processes.empty() ? "No process with connections is seen"
                                                           : report.answer.sentence),
                     UtcTime(report.generated_realtime_ns), MarkdownText(report.host),
                     report.processes.size(), report.processes.size() == 1 ? "" : "es",
                     Count(OpenNow(report.processes), "connection"));
  for (const std::string& sentence : report.incomplete) {
    out << "\nIncomplete: " << MarkdownText(sentence) << ".\n";
  }
  WriteFindings(report.findings, out);
  if (report.call_sites.empty()) return;
  out << "\nCall sites, most suspicious first, stacks innermost first:\n\n";
  const size_t shown =
      std::min(report.call_sites.size(), report.filter.top.value_or(kMarkdownCallSites));
  for (size_t i = 0; i < shown; ++i) WriteCallSite(i + 1, report.call_sites[i], options, out);
  if (const size_t more = report.call_sites.size() - shown + report.call_sites_left_out;
      more != 0) {
    out << fmt::format("\nand {} more call site{}\n", more, more == 1 ? "" : "s");
  }
}

}  // namespace pqleash::reporter
