// SPDX-License-Identifier: Apache-2.0
//
// Parts of a report, as other documents have them, too.

#ifndef PQLEASH_REPORTER_RENDER_JSON_PARTS_H_
#define PQLEASH_REPORTER_RENDER_JSON_PARTS_H_

#include "reporter/render/json_values.h"
#include "reporter/report/report.h"

namespace pqleash::reporter {

Json ProcessJson(const ReportProcess& process);
Json ConnectionJson(const ReportConnection& connection);
Json FrameJson(const SourceFrame& frame);
Json FindingJson(const Finding& finding);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_JSON_PARTS_H_
