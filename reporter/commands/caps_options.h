// SPDX-License-Identifier: Apache-2.0
//
// Options of `pqleash caps set` and `caps add`: keys of the configuration file, with '-' for '_',
// and their values as they are written there.

#ifndef PQLEASH_REPORTER_COMMANDS_CAPS_OPTIONS_H_
#define PQLEASH_REPORTER_COMMANDS_CAPS_OPTIONS_H_

#include <map>
#include <optional>
#include <string>

#include "reporter/commands/command_line.h"
#include "shim/caps/policy.h"

namespace pqleash::reporter {

// Values by option, without the '--', as given.
using PolicyOptions = std::map<std::string, std::string>;

// Adds the options that say what a policy does.
void AddRuleOptions(CommandLine* line, PolicyOptions* given);
// Adds those that say over what, and of which connections.
void AddScopeOptions(CommandLine* line, PolicyOptions* given);

// Each returns what is wrong with an option, in one sentence; no value: nothing.
// Puts the given options into a policy of `policy->kind`.
std::optional<std::string> ApplyOptions(const PolicyOptions& given, caps::Policy* policy);
// A policy from nothing: a pace with --rate, --burst or --on-server-full, else a cap.
std::optional<std::string> MakePolicy(const std::string& name, const PolicyOptions& given,
                                      caps::Policy* policy);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_CAPS_OPTIONS_H_
