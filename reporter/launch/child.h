// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_LAUNCH_CHILD_H_
#define PQLEASH_REPORTER_LAUNCH_CHILD_H_

#include <cstdint>
#include <functional>
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

// What is done while a program and the processes that come from it run.
struct Supervision {
  std::function<void()> meanwhile;  // called about every `period_ns`, by the waiting thread
  uint64_t period_ns = 50'000'000;  // 1 and more
  uint64_t linger_ns = 0;           // how long to wait for what outlives the program
  // Called once, after the waiting: signals that ask to end are of no effect until it has returned.
  std::function<void()> afterwards;
};

// The same with the program's whole process tree: this process becomes the parent of those that
// lose theirs (PR_SET_CHILD_SUBREAPER), and reaps them. When the program has ended, waits until the
// rest has, or `linger_ns` are over, or somebody tells this process to end. Processes that are left
// go on. Other children of the caller are reaped as well.
ChildResult RunChildTree(const std::vector<std::string>& command,
                         const std::vector<std::pair<std::string, std::string>>& variables,
                         const Supervision& supervision);

// Ends this process as the child ended, so that our caller sees the same status. Returns only for a
// plain exit, with its code.
int EndAs(int wait_status);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_LAUNCH_CHILD_H_
