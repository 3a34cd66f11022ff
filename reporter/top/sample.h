// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_TOP_SAMPLE_H_
#define PQLEASH_REPORTER_TOP_SAMPLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/caps/caps_report.h"
#include "reporter/report/report.h"

namespace pqleash::reporter::top {

// The living processes of one name, as a report of their own: one binary may run as two services,
// which have the same call sites.
struct ServiceSample {
  std::string name;  // not escaped
  Report report;
};

// What one look at everything has given.
struct Sample {
  uint64_t at_ns = 0;                   // CLOCK_MONOTONIC
  Report report;                        // of all
  std::vector<ServiceSample> services;  // by name
  CapsReport caps;
};

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_SAMPLE_H_
