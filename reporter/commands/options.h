// SPDX-License-Identifier: Apache-2.0
//
// What the commands' options have in common.

#ifndef PQLEASH_REPORTER_COMMANDS_OPTIONS_H_
#define PQLEASH_REPORTER_COMMANDS_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/commands/command_line.h"
#include "reporter/commands/format.h"

namespace pqleash::reporter {

// Process ids that there can be.
inline constexpr NumberRange kPids = {1, 2'147'483'647};

// Adds --format with those of the formats that the command has.
void AddFormatOption(CommandLine* line, Format* format,
                     const std::vector<Format>& offered = {Format::kText, Format::kJson});

// Adds an option that takes a duration with its unit. In ns.
void AddDurationOption(CommandLine* line, const std::string& name, const std::string& help,
                       std::optional<uint64_t>* ns);

// Adds --dir, the directory of the ledgers; the default is PQLEASH_DIR.
void AddDirectoryOption(CommandLine* line, std::string* directory);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_OPTIONS_H_
