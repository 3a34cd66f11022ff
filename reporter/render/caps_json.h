// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_CAPS_JSON_H_
#define PQLEASH_REPORTER_RENDER_CAPS_JSON_H_

#include <ostream>
#include <vector>

#include "reporter/caps/caps_report.h"
#include "reporter/render/json_values.h"

namespace pqleash::reporter {

// As in 'policies' of the document below.
Json CapsJson(const std::vector<CapsPolicy>& policies);

// For programs: the document 'pqleash.caps/1', with all holders and waiting connects.
void RenderCapsJson(const CapsReport& report, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_CAPS_JSON_H_
