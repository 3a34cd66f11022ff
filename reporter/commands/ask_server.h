// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_ASK_SERVER_H_
#define PQLEASH_REPORTER_COMMANDS_ASK_SERVER_H_

#include <optional>
#include <string>

#include "reporter/commands/command_line.h"
#include "reporter/server/server_view.h"

namespace pqleash::reporter {

// Adds --dsn, the connection string of a server to ask. No value: not given.
void AddDsnOption(CommandLine* line, const std::string& help, std::optional<std::string>* dsn);

// The view of the server of --dsn. No value: there is no --dsn, or the server tells nothing.
// `problem` gets a sentence where it does not tell all that the version has.
std::optional<ServerView> AskServer(const std::optional<std::string>& dsn,
                                    std::optional<std::string>* problem);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_ASK_SERVER_H_
