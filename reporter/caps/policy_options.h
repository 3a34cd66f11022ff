// SPDX-License-Identifier: Apache-2.0
//
// What a command may say of a policy: keys of the configuration file, with '-' for '_', and their
// values as they are written there.

#ifndef PQLEASH_REPORTER_CAPS_POLICY_OPTIONS_H_
#define PQLEASH_REPORTER_CAPS_POLICY_OPTIONS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shim/caps/policy.h"

namespace pqleash::reporter {

// Values by option, without the '--', as given.
using PolicyOptions = std::map<std::string, std::string>;

// What the help says of an option. Texts are static.
struct PolicyOption {
  enum class Of {
    kRule,   // what a policy does
    kScope,  // over what, and of which connections
  };
  const char* name;  // without the '--'
  Of of;
  const char* value;  // its name in the help
  const char* help;
};
std::vector<PolicyOption> OptionsOf(PolicyOption::Of of);

// Each returns what is wrong with an option, in one sentence; no value: nothing.
// Puts the given options into a policy of `policy->kind`.
std::optional<std::string> ApplyOptions(const PolicyOptions& given, caps::Policy* policy);
// A policy from nothing: a pace with --rate, --burst or --on-server-full, else a cap.
std::optional<std::string> MakePolicy(const std::string& name, const PolicyOptions& given,
                                      caps::Policy* policy);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CAPS_POLICY_OPTIONS_H_
