// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_TEXT_CALL_SITE_H_
#define PQLEASH_REPORTER_RENDER_TEXT_CALL_SITE_H_

#include <cstddef>
#include <ostream>
#include <string>

#include "reporter/render/layout.h"
#include "reporter/report/report.h"

namespace pqleash::reporter {

// One call site with its stack and its most telling connections.
void WriteCallSiteText(size_t number, const ReportCallSite& site, bool native_frames,
                       const Style& style, std::ostream& out);

// What a connection is doing: 'idle in transaction', 'in PQexec for 3 s'. Escaped.
std::string ActivityText(const ReportConnection& connection);

// '3 min'; '>3 min' of a connection that was open before the attach, whose real age is not known.
std::string AgeText(const ReportConnection& connection);

// 'app@db:5432/orders (application_name web)'. Escaped.
std::string TargetText(const Target& target);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_TEXT_CALL_SITE_H_
