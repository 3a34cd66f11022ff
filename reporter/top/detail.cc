// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/detail.h"

#include <fmt/format.h>

#include <algorithm>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/findings/severity.h"
#include "reporter/render/text_call_site.h"
#include "reporter/snapshot/names.h"
#include "reporter/top/lookup.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter::top {
namespace {

using Kind = DetailLine::Kind;
using Lines = std::vector<DetailLine>;

void Add(Kind kind, std::string text, Lines* lines) {
  lines->push_back({kind, std::move(text), ""});
}

void AddFrames(const std::vector<SourceFrame>& frames, Lines* lines) {
  for (size_t i = 0; i < frames.size(); ++i) {
    const SourceFrame& frame = frames[i];
    const std::string function =
        frame.function.empty() ? std::string("?") : ShortFunction(frame.function, 60);
    const std::string place =
        !frame.file.empty() ? fmt::format("{}:{}", frame.file, frame.line) : DescribePlace(frame);
    lines->push_back({Kind::kFrame, fmt::format("{:2}  {}", i, Escape(function)), Escape(place)});
  }
}

std::string DurationOrDash(const std::optional<uint64_t>& ns) {
  return ns ? HumanDuration(*ns) : std::string("-");
}

void AddConnection(const ReportConnection& connection, Lines* lines) {
  Add(Kind::kTitle, fmt::format("Connection {}", HandleName(connection.handle)), lines);
  Add(Kind::kText, fmt::format("to {}", TargetText(connection.target)), lines);
  std::string holder =
      connection.tid == 0
          ? fmt::format("held by process {}, opened before the attach", connection.pid)
          : fmt::format("held by process {}, opened by thread {}", connection.pid, connection.tid);
  if (!connection.thread_name.empty())
    holder += fmt::format(" ({})", Escape(connection.thread_name));
  if (connection.backend_pid != 0) holder += fmt::format("; backend {}", connection.backend_pid);
  Add(Kind::kText, holder, lines);
  Add(Kind::kText,
      fmt::format(
          "{}; {} old, unused for {}, {}", ActivityText(connection), AgeText(connection),
          HumanDuration(connection.idle_ns),
          connection.commands == 1 ? "1 query" : fmt::format("{} queries", connection.commands)),
      lines);
  if (IsLost(connection.reach)) {
    Add(Kind::kText,
        fmt::format("lost ({}): no reference to it was found in the process",
                    connection.reach.reach == Reach::kLostProven ? "proven" : "likely"),
        lines);
  } else if (connection.reach.reach == Reach::kOwnerLost) {
    Add(Kind::kText,
        "lost (likely): held only by an " + Escape(connection.reach.where) +
            " that nothing leads to",
        lines);
  } else if (connection.reach.reach == Reach::kHeld) {
    Add(Kind::kText, "referenced from " + Escape(connection.reach.where), lines);
  }
}

void AddFinding(const Finding& finding, Lines* lines) {
  Add(Kind::kTitle,
      fmt::format("{}: {} ({})", NameOf(finding.severity), finding.kind,
                  NameOf(finding.confidence)),
      lines);
  Add(Kind::kText, Escape(finding.summary) + ".", lines);
  if (!finding.advice.empty())
    Add(Kind::kText, "What to do: " + Escape(finding.advice) + ".", lines);
}

void AddStackOf(const ReportCallSite& site, Lines* lines) {
  if (site.frames.empty()) {
    Add(Kind::kDim, "The stack was not recorded.", lines);
    return;
  }
  Add(Kind::kTitle, "Stack, innermost first", lines);
  AddFrames(site.frames, lines);
  if (site.stack_truncated) Add(Kind::kDim, "    (deeper than was recorded)", lines);
  if (site.stack_incomplete) Add(Kind::kDim, "    (could not be followed further)", lines);
}

}  // namespace

std::vector<DetailLine> StackDetail(const Report& report, const std::string& site_key,
                                    const std::string& connection_key) {
  Lines lines;
  const ReportCallSite* site = FindSite(report, site_key);
  if (site == nullptr) {
    Add(Kind::kText, "This call site is gone: its processes have ended.", &lines);
    return lines;
  }
  if (!connection_key.empty()) {
    if (const ReportConnection* connection = FindConnection(*site, connection_key)) {
      AddConnection(*connection, &lines);
    } else {
      Add(Kind::kText, "This connection was closed.", &lines);
    }
    Add(Kind::kText, "", &lines);
  }
  Add(Kind::kTitle, fmt::format("Call site {}", CallSiteName(site->id)), &lines);
  Add(Kind::kText,
      fmt::format("{} open ({} in use), {} opened, {} closed, {} failed; oldest {}, longest unused "
                  "{}",
                  site->open, site->in_use, site->opened, site->closed, site->failed,
                  DurationOrDash(site->oldest_age_ns), DurationOrDash(site->max_idle_ns)),
      &lines);
  Add(Kind::kText, "", &lines);
  for (const Finding* finding : FindingsOf(report, site->id)) {
    AddFinding(*finding, &lines);
    Add(Kind::kText, "", &lines);
  }
  AddStackOf(*site, &lines);
  return lines;
}

std::vector<DetailLine> FindingDetail(const Report& report, const std::string& key) {
  Lines lines;
  const Finding* finding = FindFinding(report, key);
  if (finding == nullptr) {
    Add(Kind::kText, "This finding is gone: what it was about is no longer so.", &lines);
    return lines;
  }
  AddFinding(*finding, &lines);
  std::string numbers;
  for (const Evidence& evidence : finding->evidence) {
    std::string name = evidence.name;
    std::replace(name.begin(), name.end(), '_', ' ');
    numbers += fmt::format("{}{} {}{}{}", numbers.empty() ? "" : ", ", Escape(name),
                           evidence.number, evidence.unit == "s" || evidence.unit == "%" ? " " : "",
                           evidence.unit == "s" || evidence.unit == "%" ? evidence.unit : "");
  }
  if (!numbers.empty()) Add(Kind::kDim, "Seen: " + numbers, &lines);
  for (const FindingStack& stack : finding->stacks) {
    Add(Kind::kText, "", &lines);
    Add(Kind::kTitle, "Stack: " + Escape(stack.what), &lines);
    const ReportCallSite* site =
        stack.frames.empty() ? FindSite(report, CallSiteName(stack.call_site)) : nullptr;
    AddFrames(site != nullptr ? site->frames : stack.frames, &lines);
  }
  if (finding->stacks.empty() && finding->call_site) {
    if (const ReportCallSite* site = FindSite(report, CallSiteName(*finding->call_site))) {
      Add(Kind::kText, "", &lines);
      AddStackOf(*site, &lines);
    }
  }
  return lines;
}

std::vector<DetailLine> HelpDetail() {
  Lines lines;
  const auto row = [&](const char* keys, const char* what) {
    Add(Kind::kText, fmt::format("  {:<20}{}", keys, what), &lines);
  };
  Add(Kind::kTitle, "Keys", &lines);
  row("Up Down PgUp PgDn", "move; Home and End go to the first and the last");
  row("Enter Right", "into it: service, call site, connection, stack");
  row("Backspace Left Esc", "back");
  row("s  r", "sort by the next column; the other way round");
  row("/", "show only rows that hold a text; Enter keeps, Esc drops it");
  row("f", "findings (of the service that is shown, else of all)");
  row("c", "caps and paces");
  row("t", "stack of the selected call site");
  row("+ - or a number", "in the caps: a new limit, which is asked about first");
  row("?  q", "this help; quit");
  Add(Kind::kText, "", &lines);
  Add(Kind::kTitle, "Signs in the first column", &lines);
  row(">", "selected");
  row("!", "something is likely wrong, or held back at a cap");
  row("X", "something is proven wrong");
  Add(Kind::kText, "", &lines);
  Add(Kind::kTitle, "Numbers", &lines);
  Add(Kind::kText,
      "In use is a connection in a call or a transaction; the others that are open are idle. WAIT "
      "counts connects that a cap holds back. OPENED/s and CLOSED/s are since the screen before. "
      "UNUSED is how long nobody has worked with it; of a call site, with the one longest unused.",
      &lines);
  return lines;
}

}  // namespace pqleash::reporter::top
