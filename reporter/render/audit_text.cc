// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/findings/detector.h"
#include "reporter/render/audit.h"
#include "reporter/render/layout.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

// The stack that a report shows once for each call site belongs to the finding here.
Finding WithStack(const AuditFinding& audited) {
  Finding finding = audited.finding;
  if (finding.stacks.empty() && finding.call_site)
    finding.stacks.push_back({"opened at", *finding.call_site, audited.frames});
  return finding;
}

// One line for what needs no more: it is known, or meant to be so.
void WriteShort(const AuditFinding& finding, const std::string& more, std::ostream& out) {
  WriteWrapped("  - ",
               Escape(fmt::format("{} at {}: {}{}", finding.finding.kind, PlaceOf(finding),
                                  Count(finding.finding.connections, "connection"), more)),
               out);
}

class AuditText {
 public:
  AuditText(const AuditReport& audit, const TextOptions& options, std::ostream& out)
      : audit_(audit), options_(options), style_(options.colour), out_(out) {}

  void Write() {
    out_ << style_.Bold("pqleash " + Escape(Summarise(audit_))) << '\n';
    WriteIncomplete(audit_.report.incomplete, style_, out_);
    WriteWhole(Standing::kFails, "Findings");
    WriteWhole(Standing::kNoted, "Less certain than asked for");
    WriteKnown();
    WriteSuppressed();
    WriteNotes();
  }

 private:
  void Title(const std::string& title) { out_ << '\n' << style_.Bold(title) << '\n'; }

  void WriteWhole(Standing standing, const std::string& title) {
    const uint64_t count = CountWith(audit_, standing);
    if (count == 0) return;
    Title(fmt::format("{} ({})", title, count));
    size_t number = 0;
    for (const AuditFinding& finding : audit_.findings) {
      if (finding.standing == standing)
        RenderFindingText(++number, WithStack(finding), options_, out_);
    }
  }

  void WriteKnown() {
    if (!audit_.baseline) return;
    const auto& entries = audit_.baseline->entries;
    const auto gone = std::count_if(entries.begin(), entries.end(),
                                    [](const BaselineEntry& entry) { return !entry.seen; });
    Title(Escape(fmt::format("Known from {} ({}, of these {} no longer seen)",
                             audit_.baseline->path, entries.size(), gone)));
    for (const AuditFinding& finding : audit_.findings) {
      if (finding.standing != Standing::kKnown) continue;
      const bool grown = finding.finding.connections > finding.known_connections;
      WriteShort(finding,
                 grown ? fmt::format(", {} in the baseline", finding.known_connections) : "", out_);
    }
    for (const BaselineEntry& entry : entries) {
      if (!entry.seen)
        WriteWrapped(
            "  - ", Escape(fmt::format("no longer seen: {}: {}", entry.kind, entry.summary)), out_);
    }
  }

  void WriteSuppressed() {
    if (audit_.suppressions.empty()) return;
    Title("Suppressions");
    for (const SuppressionUse& use : audit_.suppressions) {
      const std::string effect = use.findings == 0
                                     ? "never matched"
                                     : fmt::format("{}, {}", Count(use.findings, "finding"),
                                                   Count(use.connections, "connection"));
      WriteWrapped("  - ", Escape(fmt::format("{} ({}): {}", use.text, use.source, effect)), out_);
    }
  }

  void WriteNotes() {
    if (audit_.notes.empty()) return;
    Title("Notes");
    for (const std::string& note : audit_.notes) WriteWrapped("  - ", Escape(note) + ".", out_);
  }

  const AuditReport& audit_;
  const TextOptions& options_;
  const Style style_;
  std::ostream& out_;
};

}  // namespace

std::string_view NameOf(Standing standing) {
  switch (standing) {
    case Standing::kFails:
      return "fails";
    case Standing::kNoted:
      return "noted";
    case Standing::kKnown:
      return "known";
    case Standing::kSuppressed:
      break;
  }
  return "suppressed";
}

std::string PlaceOf(const AuditFinding& finding) {
  if (finding.headline) return DescribeFrame(&finding.frames[*finding.headline]);
  return "a place that was not recorded";
}

std::string DescribeEnd(const ProgramEnd& program) {
  if (program.signal == 0) return fmt::format("exit code {}", program.exit_code);
  const char* name = sigabbrev_np(program.signal);
  return name == nullptr ? fmt::format("signal {}", program.signal)
                         : fmt::format("signal {} (SIG{})", program.signal, name);
}

std::string Summarise(const AuditReport& audit) {
  uint64_t opened = 0;
  for (const ReportProcess& process : audit.report.processes) opened += process.totals.opened;
  const size_t processes = audit.report.processes.size();
  const uint64_t fails = CountWith(audit, Standing::kFails);
  std::string text = fmt::format(
      "audit of {} process{}, {} opened: {}", processes, processes == 1 ? "" : "es",
      Count(opened, "connection"),
      fails == 0 ? "no finding fails"
                 : fmt::format("{} fail{}", Count(fails, "finding"), fails == 1 ? "s" : ""));
  for (const Standing standing : {Standing::kNoted, Standing::kKnown, Standing::kSuppressed}) {
    const uint64_t count = CountWith(audit, standing);
    if (count != 0) text += fmt::format(", {} {}", count, NameOf(standing));
  }
  if (audit.program.exit_code != 0)
    text += fmt::format("; the program ended with {}", DescribeEnd(audit.program));
  return text;
}

void RenderAuditText(const AuditReport& audit, const TextOptions& options, std::ostream& out) {
  AuditText(audit, options, out).Write();
}

}  // namespace pqleash::reporter
