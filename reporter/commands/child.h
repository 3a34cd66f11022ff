// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_CHILD_H_
#define PQLEASH_REPORTER_COMMANDS_CHILD_H_

#include <string>
#include <utility>
#include <vector>

namespace pqleash::reporter {

struct ChildResult {
  int start_error = 0;  // errno of exec or fork; 0: it ran
  int wait_status = 0;  // as from waitpid
};

// File descriptors that become its stdout and stderr; -1: ours.
struct ChildOutput {
  int out = -1;
  int err = -1;
};

// Runs a program in our process group and waits for it. `variables` are added to its environment.
// Signals that somebody sends us are passed on to it; those that a terminal sends reach it without
// our help. Not thread-safe: changes signal masks.
ChildResult RunChild(const std::vector<std::string>& command,
                     const std::vector<std::pair<std::string, std::string>>& variables,
                     ChildOutput output = {});

// Ends this process as the child ended, so that our caller sees the same status. Returns only for a
// plain exit, with its code.
int EndAs(int wait_status);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_CHILD_H_
