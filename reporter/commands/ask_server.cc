// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/ask_server.h"

#include <utility>
#include <variant>

#include "reporter/server/server_query.h"

namespace pqleash::reporter {

void AddDsnOption(CommandLine* line, const std::string& help, std::optional<std::string>* dsn) {
  const auto take = [dsn](const std::string& text) -> Complaint {
    *dsn = text;
    return {};
  };
  line->AddTaken("--dsn", "CONNINFO", take,
                 help +
                     ": a connection string as of libpq, or '' for the defaults and PG "
                     "variables. Keep the password in ~/.pgpass: everybody can see the "
                     "arguments of a command");
}

std::optional<ServerView> AskServer(const std::optional<std::string>& dsn,
                                    std::optional<std::string>* problem) {
  if (!dsn) return std::nullopt;
  auto answer = QueryServer(*dsn);
  if (const auto* error = std::get_if<ServerError>(&answer)) {
    *problem = "the server of --dsn could not be asked: " + error->sentence;
    return std::nullopt;
  }
  auto& view = std::get<ServerView>(answer);
  if (!view.backends_known) *problem = view.missing.back();
  return std::move(view);
}

}  // namespace pqleash::reporter
