// SPDX-License-Identifier: Apache-2.0
//
// What of ledgers and boards is carried on in a TotalsMemory, and in which order.

#ifndef PQLEASH_REPORTER_SERVE_COUNTERS_H_
#define PQLEASH_REPORTER_SERVE_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "reporter/caps/caps_report.h"
#include "reporter/serve/totals_memory.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// A histogram is its sum in ns, then its buckets.
inline constexpr size_t kTimeCounters = 1 + std::tuple_size_v<decltype(TimeHistogram::buckets)>;

// Of a process.
enum ProcessCounter : size_t {
  kOpenedTotal,
  kClosedTotal,
  kFailedTotal,
  kServerFullTotal,
  kUnrecordedTotal,
  kCreateTime,
  kWaitTime = kCreateTime + kTimeCounters,
  kUseTime = kWaitTime + kTimeCounters,
  kProcessCounters = kUseTime + kTimeCounters,
};

// Of a cap or a pace. `kAdmittedTotal` counts those, too, that are under kWarnedTotal and
// kWaitedTotal.
enum CapCounter : size_t {
  kAdmittedTotal,
  kWarnedTotal,
  kWaitedTotal,
  kRefusedTotal,
  kTimedOutTotal,
  kCapCounters
};

// `final` where the process has ended.
CountersReading ReadingOf(const Snapshot& snapshot);

// One reading, or one for each process where the cap is counted by process.
std::vector<CountersReading> ReadingsOf(const CapsPolicy& cap);

// What such a reading was read from.
struct CapSource {
  std::string board;  // path
  int32_t pid = 0;    // of a cap that is counted by process; 0: it is not
};
CapSource SourceOf(const std::string& source);

// The group of a cap's counters: its service (empty: any) and its name, and back.
std::string CapGroup(const std::string& service, const std::string& name);
std::pair<std::string, std::string> CapOfGroup(const std::string& group);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_COUNTERS_H_
