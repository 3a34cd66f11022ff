// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/caps_options.h"

#include <string>

namespace pqleash::reporter {
namespace {

void AddOptions(CommandLine* line, PolicyOption::Of of, PolicyOptions* given) {
  for (const PolicyOption& option : OptionsOf(of)) {
    const std::string name = option.name;
    const auto take = [given, name](const std::string& text) -> Complaint {
      (*given)[name] = text;
      return {};
    };
    line->AddTaken("--" + name, option.value, take, option.help);
  }
}

}  // namespace

void AddRuleOptions(CommandLine* line, PolicyOptions* given) {
  AddOptions(line, PolicyOption::Of::kRule, given);
}

void AddScopeOptions(CommandLine* line, PolicyOptions* given) {
  AddOptions(line, PolicyOption::Of::kScope, given);
}

}  // namespace pqleash::reporter
