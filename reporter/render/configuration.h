// SPDX-License-Identifier: Apache-2.0
//
// What `check` found in a configuration: a list for people, and the document 'pqleash.check/1'.
// Everything that came from the file or a variable is escaped in the text.

#ifndef PQLEASH_REPORTER_RENDER_CONFIGURATION_H_
#define PQLEASH_REPORTER_RENDER_CONFIGURATION_H_

#include <ostream>

#include "shim/config/config.h"

namespace pqleash::reporter {

// The problems, a line each; where there is none, what would be in force. `colour`: with terminal
// attributes.
void RenderConfigurationText(const config::Loaded& loaded, bool colour, std::ostream& out);
void RenderConfigurationJson(const config::Loaded& loaded, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_CONFIGURATION_H_
