// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_FAIL_ON_H_
#define PQLEASH_REPORTER_COMMANDS_FAIL_ON_H_

#include <optional>
#include <string>

#include "reporter/commands/command_line.h"
#include "reporter/findings/severity.h"

namespace pqleash::reporter {

// Adds --fail-on critical|warning|info|proven|likely. `help` begins with what is done then.
void AddFailOnOption(CommandLine* line, const std::string& help,
                     std::optional<FindingLevel>* fail_on);

// Takes the name of a level for an option.
Complaint TakeLevel(const std::string& text, std::optional<FindingLevel>* level);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_FAIL_ON_H_
