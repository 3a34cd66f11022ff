// SPDX-License-Identifier: Apache-2.0
//
// The shared boards that a command is about, and the way to change one.

#ifndef PQLEASH_REPORTER_CAPS_CAPS_BOARD_H_
#define PQLEASH_REPORTER_CAPS_CAPS_BOARD_H_

#include <functional>
#include <string>
#include <vector>

#include "reporter/snapshot/board_files.h"
#include "shim/caps/board.h"

namespace pqleash::reporter {

// What came of a change, for whoever asked for it to show.
struct Said {
  int exit_code = 0;    // of the tool
  std::string result;   // lines for stdout, escaped
  std::string problem;  // a sentence for stderr, not escaped; empty: none
};
Said Done(std::string result);
Said Failed(std::string problem);  // kFailed

struct CollectedBoards {
  std::vector<std::string> directories;  // looked in
  std::vector<SharedBoard> boards;       // with their members' ends looked up
  std::vector<std::string> incomplete;   // a sentence each: what could not be read
  std::vector<std::string> passed_over;  // a sentence each: what another version of the tool reads
};

// `directory`: empty for the default; for root those of all users.
CollectedBoards CollectBoards(const std::string& directory);

// Says what is missing, on stderr. Returns the exit code so far.
int DiagnoseMissing(const CollectedBoards& collected);

// Maps the board of our pid namespace in `directory`, made if it is not there and `create` says so,
// and calls `change`, whose value it returns. Otherwise kFailed, and why not. Prints nothing.
//
// A mapped board is no hostile input any more: its lock holds addresses, which the C library
// follows. So root changes the board of a user in a child that is that user for good.
Said WithBoard(const std::string& directory, bool create,
               const std::function<Said(caps::Board*)>& change);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CAPS_CAPS_BOARD_H_
