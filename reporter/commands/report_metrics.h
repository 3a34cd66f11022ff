// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_REPORT_METRICS_H_
#define PQLEASH_REPORTER_COMMANDS_REPORT_METRICS_H_

#include <optional>
#include <string>

#include "reporter/observe/collect.h"

namespace pqleash::reporter {

// The text that `serve` has under /metrics, for a collector that reads files; counters are sums
// over the ledgers that are there. `collected` is of living and dead processes of `directory`;
// what is incomplete is added to it. No value of `scan`: no memory is searched.
std::string ReportMetrics(const std::string& directory, const Filter& filter,
                          const std::optional<ScanOptions>& scan, Collected* collected);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_REPORT_METRICS_H_
