// SPDX-License-Identifier: Apache-2.0
//
// What `run` and `audit` have in common: a program is started with the library preloaded, and its
// processes bear the id of the run.

#ifndef PQLEASH_REPORTER_COMMANDS_LAUNCH_H_
#define PQLEASH_REPORTER_COMMANDS_LAUNCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "reporter/commands/command_line.h"
#include "reporter/launch/child.h"

namespace pqleash::reporter {

using Variables = std::vector<std::pair<std::string, std::string>>;

struct Launch {
  std::string name;       // of the command of ours: 'run', 'audit'
  std::string directory;  // of the ledgers: absolute; empty: the program's own PQLEASH_DIR
  std::string service;    // empty: PQLEASH_SERVICE, else the name of the executable
  std::string library;    // as given with --library; empty: the one beside this tool
  std::vector<std::string> command;
};

// Adds --service and --library.
void AddLaunchOptions(CommandLine* line, Launch* launch);

// Reads the arguments up to '--' with `line`, and what follows into `launch->command`. A value is
// the exit code to leave with.
std::optional<int> ParseLaunch(const std::vector<std::string>& arguments, CommandLine* line,
                               Launch* launch);

// Not 0.
uint64_t NewRunId();

// That of the audit that we are started by (PQLEASH_RUN and PQLEASH_HOLD_AT_EXIT of the
// environment), which else would not see our program; without one a new one.
uint64_t RunIdWithin();

// Absolute path of the library to preload; no value: `problem` says in a sentence why there is
// none.
std::optional<std::string> UsableLibrary(const Launch& launch, std::string* problem);

// Other reasons why the program will not be recorded: a sentence each.
std::vector<std::string> RecordingProblems(const std::string& directory);

// What the program's environment gets added. No `library`: it is not preloaded.
Variables LaunchVariables(const Launch& launch, const std::optional<std::string>& library,
                          uint64_t run_id);

// Says why the program could not be started, and returns the exit code for that.
int DiagnoseStart(const Launch& launch, int start_error);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_LAUNCH_H_
