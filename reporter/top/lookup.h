// SPDX-License-Identifier: Apache-2.0
//
// Finding things of a sample again by their keys, and naming them. Pure.

#ifndef PQLEASH_REPORTER_TOP_LOOKUP_H_
#define PQLEASH_REPORTER_TOP_LOOKUP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "reporter/top/sample.h"

namespace pqleash::reporter::top {

// Each returns nullptr where it is not there (any more).
const ServiceSample* FindService(const Sample& sample, const std::string& name);
const ReportCallSite* FindSite(const Report& report, const std::string& key);
const ReportConnection* FindConnection(const ReportCallSite& site, const std::string& key);
const Finding* FindFinding(const Report& report, const std::string& key);

std::vector<const Finding*> FindingsOf(const Report& report, uint64_t call_site);

// The same connection has the same key in every sample; a new one at the same address has not.
std::string ConnectionKey(const ReportConnection& connection);
// Findings have no identity: kind and call site, and which one of these.
std::string FindingKey(const Report& report, size_t index);

// 'checkout (orders.py:42)'. Escaped.
std::string SiteTitle(const ReportCallSite& site);

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_LOOKUP_H_
