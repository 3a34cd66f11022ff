// SPDX-License-Identifier: Apache-2.0
//
// The views that are no tables, line by line. Pure; escaped.

#ifndef PQLEASH_REPORTER_TOP_DETAIL_H_
#define PQLEASH_REPORTER_TOP_DETAIL_H_

#include <string>
#include <vector>

#include "reporter/report/report.h"
#include "reporter/top/model.h"

namespace pqleash::reporter::top {

// A call site: counts, one of its connections where `connection` is a key of one, its findings, its
// stack.
std::vector<DetailLine> StackDetail(const Report& report, const std::string& site,
                                    const std::string& connection);
std::vector<DetailLine> FindingDetail(const Report& report, const std::string& finding);
std::vector<DetailLine> HelpDetail();

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_DETAIL_H_
