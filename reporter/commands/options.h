// SPDX-License-Identifier: Apache-2.0
//
// What the commands' options have in common.

#ifndef PQLEASH_REPORTER_COMMANDS_OPTIONS_H_
#define PQLEASH_REPORTER_COMMANDS_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/commands/command.h"
#include "reporter/commands/format.h"

namespace pqleash::reporter {

// Adds --format with those of the formats that the command has.
void AddFormatOption(CLI::App* app, Format* format,
                     const std::vector<Format>& offered = {Format::kText, Format::kJson});

// Adds an option that takes a duration with its unit. In ns.
void AddDurationOption(CLI::App* app, const std::string& name, const std::string& help,
                       std::optional<uint64_t>* ns);

// Adds --dir, the directory of the ledgers; the default is PQLEASH_DIR.
void AddDirectoryOption(CLI::App* app, std::string* directory);

// Reads the arguments of command `name`. A value is the exit code to leave with: help was asked
// for, or usage is wrong.
std::optional<int> ParseArguments(const std::string& name, const Arguments& arguments,
                                  CLI::App* app);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_OPTIONS_H_
