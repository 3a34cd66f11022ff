// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_FAIL_ON_H_
#define PQLEASH_REPORTER_COMMANDS_FAIL_ON_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "reporter/findings/finding.h"

namespace pqleash::reporter {

// Adds --fail-on proven|likely.
void AddFailOnOption(CLI::App* app, const std::string& help, std::optional<Confidence>* fail_on);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_FAIL_ON_H_
