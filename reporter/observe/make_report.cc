// SPDX-License-Identifier: Apache-2.0

#include "reporter/observe/make_report.h"

#include <utility>
#include <vector>

#include "reporter/observe/pipeline.h"
#include "reporter/server/server_report.h"
#include "reporter/symbols/symboliser.h"

namespace pqleash::reporter {

Report MakeReport(Collected collected, const Filter& filter, const ServerView* server,
                  bool some_processes) {
  Symboliser symboliser;
  const Analysis analysis =
      AnalyseWithProgress(std::move(collected), &symboliser, filter.library_paths);
  Report report = ReportOn(analysis, filter);
  for (ReportModule& module : report.modules) {
    module.code = symboliser.CodeOf(module.path, module.build_id);
  }
  if (server != nullptr) {
    report.server = BuildServerReport(*server, analysis.collected.snapshots, analysis.call_sites,
                                      {filter.top, filter.library_paths, some_processes});
    AddWaitersAsEvidence(*report.server, &report.findings);
  }
  return report;
}

}  // namespace pqleash::reporter
