// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_ADVICE_TEXT_H_
#define PQLEASH_REPORTER_RENDER_ADVICE_TEXT_H_

#include <ostream>

#include "reporter/advice/advice.h"

namespace pqleash::reporter {

// For people: what was measured, the limits with their arithmetic, and the commands that apply
// them at once. `colour`: with terminal attributes.
void RenderAdviceText(const Advice& advice, bool colour, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_ADVICE_TEXT_H_
