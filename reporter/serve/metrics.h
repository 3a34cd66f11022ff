// SPDX-License-Identifier: Apache-2.0
//
// What was observed → families of metrics, under the names of OpenTelemetry's conventions where
// they have one, and pqleash_… elsewhere. How many series there are is bounded by the limits below,
// whatever ledgers say; no label names a process.

#ifndef PQLEASH_REPORTER_SERVE_METRICS_H_
#define PQLEASH_REPORTER_SERVE_METRICS_H_

#include <prometheus/metric_family.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/finding.h"
#include "reporter/serve/totals_memory.h"

namespace pqleash::reporter {

inline constexpr size_t kDefaultTop = 10;
inline constexpr size_t kMaxServices = 100;
inline constexpr size_t kMaxDatabases = 200;  // pairs of a service and a database
inline constexpr size_t kMaxCaps = 200;
inline constexpr size_t kMaxLabelColumns = 64;

// How the observer itself is.
struct SelfMetrics {
  double reading_s = 0;       // how long it took to read all ledgers
  double readings_total = 0;  // so far
  double last_reading_realtime_s = 0;
  double unreadable = 0;           // ledgers and directories that were missed in the last reading
  double ended_remembered = 0;     // ledgers of ended processes that need not be read again
  std::optional<double> search_s;  // how long the last search of memory took; none yet
};

struct MetricsInput {
  // Of processes that live, as far as is known. Their findings are `findings`.
  const Observation& observation;
  const std::vector<Finding>& findings;
  const TotalsMemory& services;  // of ReadingOf
  const TotalsMemory& caps;      // of ReadingsOf
  size_t top = kDefaultTop;      // call sites that have a label; the others are summed up
  std::optional<SelfMetrics> self;
};

// Pure.
std::vector<prometheus::MetricFamily> MetricFamilies(const MetricsInput& input);

// The text of /metrics, format 0.0.4.
std::string MetricsText(const std::vector<prometheus::MetricFamily>& families);

// The service that a finding is counted for: the one with most connections open at its place;
// empty: it has no place, or nobody is there.
std::string ServiceOf(const Observation& observation, const Finding& finding);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_METRICS_H_
