// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/command.h"

#include <fmt/format.h>

#include <iostream>

#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

constexpr Command kCommands[] = {
    {"run", "Run a program and record its connections", RunRun},
    {"audit", "Run a program and fail when it leaves connections behind", RunAudit},
    {"attach", "Record the connections of a process that runs already", RunAttach},
    {"detach", "End what attach has begun", RunDetach},
    {"ps", "List the processes that have a ledger", RunPs},
    {"report", "Show who holds connections, what they do, and what is wrong", RunReport},
    {"top", "Watch services, call sites and connections; change caps", RunTop},
    {"diff", "Compare two saved reports", RunDiff},
    {"whois", "Say which process and line of code a server's backend belongs to", RunWhois},
    {"serve", "Serve metrics for Prometheus, the report as JSON, and a page", RunServe},
    {"check", "Check a configuration before it is deployed", RunCheck},
    {"caps", "Show and change caps on connections while services run", RunCaps},
    {"advise", "Propose limits from what was measured, with the arithmetic", RunAdvise},
    {"doctor", "Check that pqleash works here, or for one program", RunDoctor},
};

std::string Usage() {
  std::string text =
      "pqleash keeps PostgreSQL connections on a leash\n"
      "\n"
      "Usage: pqleash COMMAND [OPTIONS]\n"
      "\n"
      "Commands:\n";
  for (const Command& command : Commands()) {
    text += fmt::format("  {:<10}{}\n", command.name, command.help);
  }
  text +=
      "\n"
      "Options:\n"
      "  -h, --help     Print this help; `pqleash COMMAND --help` for a command's\n"
      "  --version      Print the version\n"
      "\n"
      "Exit codes: 0 fine, 1 the tool failed, 2 wrong usage, 3 findings at or above --fail-on\n"
      "(check: problems); run, audit: that of the program, where it is not 0\n";
  return text;
}

}  // namespace

std::span<const Command> Commands() { return kCommands; }

int RunTool(const Arguments& arguments) {
  if (arguments.empty()) {
    Diagnose("no command given; see `pqleash --help`");
    return kUsage;
  }
  const std::string& name = arguments.front();
  if (name == "-h" || name == "--help") {
    std::cout << Usage();
    return FinishOutput();
  }
  if (name == "--version") {
    std::cout << "pqleash " PQLEASH_VERSION "\n";
    return FinishOutput();
  }
  std::string names;
  for (const Command& command : Commands()) {
    if (name == command.name) {
      return command.run(Arguments(arguments.begin() + 1, arguments.end()));
    }
    names += fmt::format("{}{}", names.empty() ? "" : ", ", command.name);
  }
  Diagnose(
      fmt::format("unknown command '{}', expected one of {}; see `pqleash --help`", name, names));
  return kUsage;
}

}  // namespace pqleash::reporter
