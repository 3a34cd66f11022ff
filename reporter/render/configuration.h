// SPDX-License-Identifier: Apache-2.0
//
// What `check` found in a configuration: a list for people, and the document 'pqleash.check/1'.
// Everything that came from the file or a variable is escaped in the text.

#ifndef PQLEASH_REPORTER_RENDER_CONFIGURATION_H_
#define PQLEASH_REPORTER_RENDER_CONFIGURATION_H_

#include <cstdint>
#include <optional>
#include <ostream>

#include "reporter/server/budget.h"
#include "reporter/server/server_view.h"
#include "shim/config/config.h"

namespace pqleash::reporter {

// The server that the configuration was checked against.
struct CheckedServer {
  ServerView view;
  Budget budget;
};

// The problems, a line each; where there is none, what would be in force; then whether it fits the
// server. `colour`: with terminal attributes.
void RenderConfigurationText(const config::Loaded& loaded,
                             const std::optional<CheckedServer>& server, bool colour,
                             std::ostream& out);
void RenderConfigurationJson(const config::Loaded& loaded,
                             const std::optional<CheckedServer>& server,
                             uint64_t generated_realtime_ns, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_CONFIGURATION_H_
