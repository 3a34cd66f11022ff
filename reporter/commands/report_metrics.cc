// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/report_metrics.h"

#include <vector>

#include "reporter/serve/metrics.h"
#include "reporter/serve/tally.h"

namespace pqleash::reporter {

std::string ReportMetrics(const std::string& directory, const Filter& filter,
                          const std::optional<ScanOptions>& scan, Collected* collected) {
  Tally tally;
  tally.Take(directory, collected);
  if (scan) LookForLost(*scan, collected, nullptr);
  const std::vector<CallSiteGroup> call_sites = GroupCallSites(collected->snapshots);
  const Observation observation = {
      collected->snapshots,    call_sites,      ThresholdsFor(filter),        filter.library_paths,
      collected->reachability, collected->caps, CurrentOccasion().realtime_ns};
  const std::vector<Finding> findings = FindAll(observation);
  return MetricsText(MetricFamilies({observation, findings, tally.services(), tally.caps(),
                                     filter.top.value_or(kDefaultTop), std::nullopt}));
}

}  // namespace pqleash::reporter
