// SPDX-License-Identifier: Apache-2.0
//
// Options of `pqleash caps set` and `caps add`.

#ifndef PQLEASH_REPORTER_COMMANDS_CAPS_OPTIONS_H_
#define PQLEASH_REPORTER_COMMANDS_CAPS_OPTIONS_H_

#include "reporter/caps/policy_options.h"
#include "reporter/commands/command_line.h"

namespace pqleash::reporter {

// Adds the options that say what a policy does.
void AddRuleOptions(CommandLine* line, PolicyOptions* given);
// Adds those that say over what, and of which connections.
void AddScopeOptions(CommandLine* line, PolicyOptions* given);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_CAPS_OPTIONS_H_
