// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "reporter/commands/ask_server.h"
#include "reporter/commands/command.h"
#include "reporter/commands/fail_on.h"
#include "reporter/commands/merge.h"
#include "reporter/commands/options.h"
#include "reporter/commands/report_format.h"
#include "reporter/commands/report_metrics.h"
#include "reporter/observe/collect.h"
#include "reporter/observe/collect_caps.h"
#include "reporter/observe/make_report.h"
#include "reporter/render/json.h"
#include "reporter/render/merged.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

struct ReportOptions {
  Selection selection;
  Filter filter;
  ReportOutput output;
  bool no_scan = false;
  std::optional<uint64_t> scan_ns;
  bool all_registers = false;
  std::optional<FindingLevel> fail_on;
  std::optional<std::string> dsn;
};

void AddScanOptions(CommandLine* line, ReportOptions* options) {
  line->AddFlag("--no-scan", &options->no_scan,
                "Do not search the memory of living processes for connections that are lost");
  AddDurationOption(line, "--scan-time", "Search a process no longer than this (default: 5s)",
                    &options->scan_ns);
  line->AddFlag("--registers", &options->all_registers,
                "Look also at the registers of threads whose system call then begins anew, with "
                "its time-out (epoll_wait, sigtimedwait, semop)");
}

void AddOptions(CommandLine* line, ReportOptions* options) {
  Selection& selection = options->selection;
  line->AddNumbers("--pid", "PID", kPids, &selection.pids,
                   "Only this process; for a dead one its newest ledger. May be repeated");
  line->AddTexts("--service", "NAME", &selection.services, "Only this service. May be repeated");
  line->AddFlag("--all", &selection.all, "Dead processes, too");
  line->AddOperands(
      "LEDGER", &selection.ledgers,
      "Only these files: ledgers, and reports saved with --format json, of this host or "
      "others. With reports, all are merged by call site");
  AddDirectoryOption(line, &selection.directory);
  AddDurationOption(line, "--min-age",
                    "Show connections that are at least this old; judge none that is younger "
                    "(default: show all, judge from 30s on, what was never used from 5m on)",
                    &options->filter.min_age_ns);
  AddDurationOption(line, "--min-idle",
                    "Show connections that were unused for at least this long; judge none that was "
                    "used since (default: show all, judge from 5m on, in a transaction from 1m on)",
                    &options->filter.min_idle_ns);
  line->AddNumber(
      "--top", "N", {1, 1'000'000},
      [options](int32_t top) { options->filter.top = static_cast<uint64_t>(top); },
      "Show no more than this many call sites, the most suspicious");
  line->AddTexts("--library-path", "GLOB", &options->filter.library_paths,
                 "Take scripts whose path matches for a library's, and name call sites by what "
                 "calls them, as for packages in the usual places; '*' matches '/', too. May be "
                 "repeated");
  AddScanOptions(line, options);
  AddFailOnOption(line,
                  "Exit with 3 where there are findings that are critical, at least warning, at "
                  "least info, proven, or at least likely; with 1 where nothing was looked at",
                  &options->fail_on);
  AddDsnOption(line,
               "Show the server's side, too: slots, and backends with the code that opened them",
               &options->dsn);
  AddReportOutputOptions(line, &options->output);
}

bool Fails(const Report& report, const FindingLevel& level) {
  return std::any_of(report.findings.begin(), report.findings.end(), [&](const Finding& finding) {
    return level.MetBy(finding.confidence, finding.severity);
  });
}

// What a saved report cannot answer; nullptr: nothing was asked.
const char* NotOfSavedReports(const ReportOptions& options) {
  const Filter& filter = options.filter;
  if (!options.selection.pids.empty()) return "--pid";
  if (!options.selection.services.empty()) return "--service";
  if (filter.min_age_ns) return "--min-age";
  if (filter.min_idle_ns) return "--min-idle";
  if (!filter.library_paths.empty()) return "--library-path";
  return options.dsn ? "--dsn" : nullptr;
}

std::optional<ScanOptions> ScanOf(const ReportOptions& options) {
  if (options.no_scan) return std::nullopt;
  ScanOptions scan;
  if (options.scan_ns) scan.time = std::chrono::nanoseconds(*options.scan_ns);
  scan.all_registers = options.all_registers;
  if (options.filter.min_idle_ns) {
    scan.owner_idle =
        std::min(scan.owner_idle, std::chrono::nanoseconds(*options.filter.min_idle_ns));
  }
  return scan;
}

void Search(const ReportOptions& options, Collected* collected) {
  if (const auto scan = ScanOf(options)) {
    ProgressLine line;
    LookForLost(*scan, collected, &line);
  }
}

// Of the files that are named, some are saved reports.
int RunMerge(ReportOptions options) {
  if (const char* option = NotOfSavedReports(options)) {
    Diagnose(
        fmt::format("report: {} cannot be answered from saved reports: ask for it where they "
                    "are made; see `pqleash report --help`",
                    option));
    return kUsage;
  }
  const ReportOutput& output = options.output;
  if ((output.format != Format::kText && output.format != Format::kJson) || !output.file.empty()) {
    Diagnose(
        "report: saved reports are merged to text or json on stdout; see `pqleash report --help`");
    return kUsage;
  }
  std::vector<std::string>& ledgers = options.selection.ledgers;
  const auto saved = std::stable_partition(
      ledgers.begin(), ledgers.end(), [](const std::string& path) { return !IsSavedReport(path); });
  const std::vector<std::string> paths(saved, ledgers.end());
  ledgers.erase(saved, ledgers.end());
  std::vector<std::string> incomplete;
  std::optional<Report> here;
  if (!ledgers.empty()) {
    Collected collected = Collect(options.selection);
    incomplete = std::move(collected.incomplete);
    collected.incomplete.clear();
    Search(options, &collected);
    if (!collected.snapshots.empty())
      here = MakeReport(std::move(collected), options.filter, nullptr, /*some_processes=*/true);
  }
  const bool ledgers_read = incomplete.empty();
  Report merged = MergeFiles(paths, here ? &*here : nullptr, std::move(incomplete));
  // What was incomplete where the reports were made is not this run's failure.
  const bool complete = ledgers_read && merged.sources.size() == paths.size() + (here ? 1 : 0);
  if (merged.sources.empty() && output.format == Format::kText) {
    for (const std::string& sentence : merged.incomplete) Diagnose("incomplete: " + sentence);
    return kFailed;
  }
  if (options.filter.top) KeepTop(*options.filter.top, &merged);
  if (output.format == Format::kJson) {
    RenderReportJson(merged, std::cout);
  } else {
    RenderMergedText(merged, {WantsColour(STDOUT_FILENO), output.native_frames}, std::cout);
  }
  if (FinishOutput() != kFine || !complete) return kFailed;
  return options.fail_on && Fails(merged, *options.fail_on) ? kFindings : kFine;
}

// `report --format prometheus`.
int ReportAsMetrics(ReportOptions options) {
  if (options.dsn || options.fail_on || !options.selection.ledgers.empty()) {
    Diagnose(
        "report: --format prometheus goes without --dsn, --fail-on and named ledgers; see `pqleash "
        "report --help`");
    return kUsage;
  }
  // Counters are of the dead, too.
  options.selection.all = true;
  Collected collected = Collect(options.selection);
  const std::string text =
      ReportMetrics(options.selection.directory, options.filter, ScanOf(options), &collected);
  for (const std::string& sentence : collected.incomplete) Diagnose("incomplete: " + sentence);
  const int exit_code = WriteText(text, options.output);
  return collected.incomplete.empty() ? exit_code : kFailed;
}

}  // namespace

int RunReport(const Arguments& arguments) {
  CommandLine line("Show who holds connections, what they do, and what is wrong.");
  ReportOptions options;
  AddOptions(&line, &options);
  if (const auto exit_code = line.Parse("report", arguments)) return *exit_code;
  if (!MayWrite(options.output)) return kUsage;
  if (options.output.format == Format::kPrometheus) return ReportAsMetrics(options);

  const std::vector<std::string>& files = options.selection.ledgers;
  if (std::any_of(files.begin(), files.end(), IsSavedReport)) return RunMerge(std::move(options));

  // The server first: what is opened in between is in the ledgers with its time.
  std::optional<std::string> server_problem;
  const std::optional<ServerView> server = AskServer(options.dsn, &server_problem);
  Selection selection = options.selection;
  selection.jobs = true;
  Collected collected = Collect(selection);
  if (server_problem) collected.incomplete.push_back(*server_problem);
  for (const std::string& sentence : collected.incomplete) Diagnose("incomplete: " + sentence);
  const bool complete = collected.incomplete.empty();
  // The sentences on stderr say it all.
  const bool nothing_read = !complete && collected.snapshots.empty() && !server;
  if (nothing_read && options.output.format != Format::kJson) return kFailed;
  // Ledgers that are named may be of another host.
  if (options.selection.ledgers.empty())
    collected.caps = CollectCapsOf(collected.snapshots, options.selection.directory);
  // A search that is not permitted is said in the report; what was asked for can be read all the
  // same.
  Search(options, &collected);
  const bool some_processes =
      !selection.pids.empty() || !selection.services.empty() || !selection.ledgers.empty();
  const Report report =
      MakeReport(std::move(collected), options.filter, server ? &*server : nullptr, some_processes);
  if (WriteReport(report, options.output) != kFine || !complete) return kFailed;
  if (options.fail_on && report.answer.verdict == Answer::Verdict::kUnobserved) {
    Diagnose(fmt::format("report: {}: --fail-on has nothing to judge", report.answer.sentence));
    return kFailed;
  }
  return options.fail_on && Fails(report, *options.fail_on) ? kFindings : kFine;
}

}  // namespace pqleash::reporter
