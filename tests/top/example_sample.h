// SPDX-License-Identifier: Apache-2.0
//
// Samples by hand.

#ifndef PQLEASH_TESTS_TOP_EXAMPLE_SAMPLE_H_
#define PQLEASH_TESTS_TOP_EXAMPLE_SAMPLE_H_

#include <string>

#include "reporter/top/sample.h"

namespace pqleash::reporter::top {

// A call site of the function, with so many connections, of which `in_use` are; ids from 1.
ReportCallSite ExampleSite(uint64_t id, const std::string& function, uint64_t open,
                           uint64_t in_use);

// One process a service, at `pid`; counters follow from the sites.
ServiceSample ExampleService(const std::string& name, int32_t pid,
                             std::vector<ReportCallSite> sites);

Finding ExampleFinding(std::string_view kind, uint64_t call_site);

CapsPolicy ExampleCap(const std::string& name, const std::string& service, uint32_t limit,
                      uint64_t use);

// All of it, `seconds` after the first.
Sample ExampleSample(uint64_t seconds, std::vector<ServiceSample> services);

// Three services: orders (40 open, one finding), billing and one whose name is hostile.
Sample Busy();

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_TESTS_TOP_EXAMPLE_SAMPLE_H_
