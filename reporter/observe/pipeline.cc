// SPDX-License-Identifier: Apache-2.0

#include "reporter/observe/pipeline.h"

#include <fmt/format.h>

#include <utility>

#include "reporter/call_sites/same_stack.h"
#include "reporter/call_sites/told_apart.h"
#include "reporter/report/report_builder.h"

namespace pqleash::reporter {
namespace {

void KeepConnected(std::vector<CallSiteGroup>* groups) {
  std::erase_if(*groups, [](const CallSiteGroup& group) { return group.connections.empty(); });
}

}  // namespace

Observation Analysis::Observe(const Filter& filter) const {
  return {collected.snapshots,    call_sites,     ThresholdsFor(filter), filter.library_paths,
          collected.reachability, collected.caps, occasion.realtime_ns};
}

Analysis AnalyseWithoutNames(Collected collected) {
  Analysis analysis;
  analysis.collected = std::move(collected);
  analysis.call_sites = GroupCallSites(analysis.collected.snapshots);
  analysis.occasion = CurrentOccasion();
  return analysis;
}

void AddNames(Symboliser* symboliser, const AnalysisOptions& options, Analysis* analysis) {
  std::vector<Snapshot>& snapshots = analysis->collected.snapshots;
  std::vector<CallSiteGroup>& call_sites = analysis->call_sites;
  if (options.connected_only) KeepConnected(&call_sites);
  const uint64_t without =
      SymboliseCallSites(snapshots, symboliser, &call_sites, options.progress, options.max_frames);
  MergeSameStacks(&snapshots, &call_sites);
  // They were grouped again.
  if (options.connected_only) KeepConnected(&call_sites);
  TellApart(options.library_paths, &call_sites);
  if (without == 0) return;
  analysis->collected.incomplete.push_back(fmt::format(
      "{} call sites are without their stacks: there are more than {} frames in all; ask for one "
      "process with --pid, or for one service",
      without, options.max_frames));
}

Analysis Analyse(Collected collected, Symboliser* symboliser, const AnalysisOptions& options) {
  Analysis analysis = AnalyseWithoutNames(std::move(collected));
  AddNames(symboliser, options, &analysis);
  return analysis;
}

Analysis AnalyseWithProgress(Collected collected, Symboliser* symboliser,
                             const std::vector<std::string>& library_paths) {
  ProgressLine line;
  AnalysisOptions options;
  options.library_paths = library_paths;
  options.progress = [&line](uint64_t done, uint64_t all) {
    line.Show([&] { return SymbolText(done, all); });
  };
  return Analyse(std::move(collected), symboliser, options);
}

Report ReportOn(const Analysis& analysis, const Filter& filter) {
  const Collected& collected = analysis.collected;
  Report report =
      BuildReport(collected.snapshots, analysis.call_sites, filter, collected.incomplete,
                  analysis.occasion, collected.reachability, collected.caps);
  if (report.answer.verdict == Answer::Verdict::kUnobserved && !collected.why_nothing.empty())
    report.answer.sentence = "Nothing was looked at: " + collected.why_nothing;
  return report;
}

}  // namespace pqleash::reporter
