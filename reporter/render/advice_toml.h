// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_ADVICE_TOML_H_
#define PQLEASH_REPORTER_RENDER_ADVICE_TOML_H_

#include <ostream>

#include "reporter/advice/advice.h"

namespace pqleash::reporter {

// A configuration for PQLEASH_CONFIG, with the arithmetic as comments: of one service, since a
// configuration holds for whichever service reads it. Without a proposal it holds comments alone.
void RenderAdviceToml(const Advice& advice, const ServiceAdvice& service, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_ADVICE_TOML_H_
