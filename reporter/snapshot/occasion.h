// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SNAPSHOT_OCCASION_H_
#define PQLEASH_REPORTER_SNAPSHOT_OCCASION_H_

#include <cstdint>
#include <string>

namespace pqleash::reporter {

// Where and when a report is made.
struct Occasion {
  uint64_t realtime_ns = 0;
  std::string host;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_OCCASION_H_
