// SPDX-License-Identifier: Apache-2.0
//
// How many connections programs really use at once, for judging whether a cap leaves them enough.

#ifndef PQLEASH_REPORTER_SERVER_MEASURED_NEED_H_
#define PQLEASH_REPORTER_SERVER_MEASURED_NEED_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// Of one living process.
struct MeasuredNeed {
  std::string service;
  int32_t pid = 0;
  uint32_t uid = 0;
  uint64_t in_use = 0;  // connections with a command or inside of a transaction, now
  uint64_t peak = 0;    // the most at once since it began; 0: not known of that target alone
};

// Of the living processes that hold connections as `user` to `dbname`, those of `service` alone
// where it is not empty. Pure.
std::vector<MeasuredNeed> MeasureNeed(const std::vector<Snapshot>& snapshots,
                                      const std::string& service, const std::string& dbname,
                                      const std::string& user);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVER_MEASURED_NEED_H_
