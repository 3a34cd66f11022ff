// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_ADVICE_JSON_H_
#define PQLEASH_REPORTER_RENDER_ADVICE_JSON_H_

#include <ostream>

#include "reporter/advice/advice.h"

namespace pqleash::reporter {

// The document 'pqleash.advice/1'.
void RenderAdviceJson(const Advice& advice, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_ADVICE_JSON_H_
