// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_FAIL_ON_H_
#define PQLEASH_REPORTER_COMMANDS_FAIL_ON_H_

#include <optional>
#include <string>

#include "reporter/commands/command_line.h"
#include "reporter/findings/finding.h"

namespace pqleash::reporter {

// Adds --fail-on proven|likely.
void AddFailOnOption(CommandLine* line, const std::string& help,
                     std::optional<Confidence>* fail_on);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_FAIL_ON_H_
