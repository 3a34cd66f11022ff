// SPDX-License-Identifier: Apache-2.0
//
// Whether a configuration fits a server, as a part of what `check` prints.

#ifndef PQLEASH_REPORTER_RENDER_BUDGET_H_
#define PQLEASH_REPORTER_RENDER_BUDGET_H_

#include <ostream>

#include "reporter/render/json_values.h"
#include "reporter/render/layout.h"
#include "reporter/server/budget.h"
#include "reporter/server/server_view.h"

namespace pqleash::reporter {

// Section 'Server'. Everything that came from the server or the configuration is escaped.
void WriteBudgetText(const ServerView& view, const Budget& budget, const Style& style,
                     std::ostream& out);

// The value of the key 'server'.
Json BudgetJson(const ServerView& view, const Budget& budget);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_BUDGET_H_
