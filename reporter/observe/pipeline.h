// SPDX-License-Identifier: Apache-2.0
//
// The way from ledgers to a report, in one order for everybody: connections are grouped by the code
// that opened them, that code gets its names, call sites with the same stack become one, and those
// with the same headline are told apart.

#ifndef PQLEASH_REPORTER_OBSERVE_PIPELINE_H_
#define PQLEASH_REPORTER_OBSERVE_PIPELINE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/findings/detector.h"
#include "reporter/observe/collect.h"
#include "reporter/report/report.h"
#include "reporter/symbols/symboliser.h"
#include "reporter/words/progress.h"

namespace pqleash::reporter {

// What was collected, by call sites.
struct Analysis {
  // `incomplete` says, too, how many call sites are without their stacks. Call sites of the
  // snapshots are numbered anew where several became one.
  Collected collected;
  std::vector<CallSiteGroup> call_sites;  // of `collected.snapshots`
  Occasion occasion;                      // when the analysis was made

  // What findings are made of, under the thresholds of `filter`. It refers to this analysis, which
  // must outlive it and stay where it is.
  [[nodiscard]] Observation Observe(const Filter& filter) const;
};

struct AnalysisOptions {
  std::vector<std::string> library_paths;  // as of Filter
  bool connected_only = false;             // no call site without a connection: symbols cost time
  size_t max_frames = kMaxReportFrames;
  Progress progress;  // is told of frames
};

// Reads the clock and the files of modules. What `symboliser` has resolved once it keeps.
[[nodiscard]] Analysis Analyse(Collected collected, Symboliser* symboliser,
                               const AnalysisOptions& options = {});

// The same, and shows on a terminal how far it is.
[[nodiscard]] Analysis AnalyseWithProgress(Collected collected, Symboliser* symboliser,
                                           const std::vector<std::string>& library_paths);

// The same without names, which cost most of the time and memory: no call site has frames, and none
// with the same stack were made one. For looks that are taken every few seconds.
[[nodiscard]] Analysis AnalyseWithoutNames(Collected collected);

// Gives the call sites of such an analysis their names, and what comes of it.
void AddNames(Symboliser* symboliser, const AnalysisOptions& options, Analysis* analysis);

// The report on `analysis`. Pure.
[[nodiscard]] Report ReportOn(const Analysis& analysis, const Filter& filter);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_OBSERVE_PIPELINE_H_
