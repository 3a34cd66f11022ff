// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_COMMAND_H_
#define PQLEASH_REPORTER_COMMANDS_COMMAND_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

using Arguments = std::vector<std::string>;

struct Command {
  std::string_view name;
  std::string_view help;  // one line
  // `arguments` are those after the name. Writes the result to stdout, the rest to stderr. Returns
  // the exit code.
  int (*run)(const Arguments& arguments);
};

std::span<const Command> Commands();

// All of the tool: finds the command and runs it. `arguments` are those after the program's name.
int RunTool(const Arguments& arguments);

int RunRun(const Arguments& arguments);
int RunAudit(const Arguments& arguments);
int RunAttach(const Arguments& arguments);
int RunDetach(const Arguments& arguments);
int RunPs(const Arguments& arguments);
int RunReport(const Arguments& arguments);
int RunTop(const Arguments& arguments);
int RunDiff(const Arguments& arguments);
int RunWhois(const Arguments& arguments);
int RunCheck(const Arguments& arguments);
int RunAdvise(const Arguments& arguments);
int RunCaps(const Arguments& arguments);
int RunServe(const Arguments& arguments);
int RunDoctor(const Arguments& arguments);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_COMMAND_H_
