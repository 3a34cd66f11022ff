// SPDX-License-Identifier: Apache-2.0

#include "reporter/observe/make_report.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/call_sites/same_stack.h"
#include "reporter/call_sites/told_apart.h"
#include "reporter/server/server_report.h"
#include "reporter/symbols/symboliser.h"

namespace pqleash::reporter {

Report MakeReport(Collected collected, const Filter& filter, const ServerView* server,
                  bool some_processes) {
  std::vector<CallSiteGroup> call_sites = GroupCallSites(collected.snapshots);
  Symboliser symboliser;
  uint64_t without = 0;
  {
    ProgressLine line;
    without = SymboliseCallSites(
        collected.snapshots, &symboliser, &call_sites,
        [&line](uint64_t done, uint64_t all) { line.Show([&] { return SymbolText(done, all); }); });
  }
  MergeSameStacks(&collected.snapshots, &call_sites);
  TellApart(filter.library_paths, &call_sites);
  if (without != 0) {
    collected.incomplete.push_back(fmt::format(
        "{} call sites are shown without their stacks: there are too many frames; ask for "
        "one process with --pid",
        without));
  }
  Report report =
      BuildReport(collected.snapshots, call_sites, filter, std::move(collected.incomplete),
                  CurrentOccasion(), collected.reachability, collected.caps);
  if (report.answer.verdict == Answer::Verdict::kUnobserved && !collected.why_nothing.empty())
    report.answer.sentence = "Nothing was looked at: " + collected.why_nothing;
  for (ReportModule& module : report.modules) {
    module.code = symboliser.CodeOf(module.path, module.build_id);
  }
  if (server != nullptr) {
    report.server = BuildServerReport(*server, collected.snapshots, call_sites,
                                      {filter.top, filter.library_paths, some_processes});
    AddWaitersAsEvidence(*report.server, &report.findings);
  }
  return report;
}

}  // namespace pqleash::reporter
