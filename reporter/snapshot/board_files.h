// SPDX-License-Identifier: Apache-2.0
//
// Where boards are: a file of each pid namespace beside the ledgers, and a section of each ledger.

#ifndef PQLEASH_REPORTER_SNAPSHOT_BOARD_FILES_H_
#define PQLEASH_REPORTER_SNAPSHOT_BOARD_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/snapshot/board.h"
#include "reporter/snapshot/ledger_error.h"
#include "shim/caps/board_place.h"

namespace pqleash::reporter {

// As the library names it: shim/caps/board_place.h.
struct BoardName {
  uint32_t version = 0;
  caps::BoardPlace place = {};
};

// No value: not the name of a board.
std::optional<BoardName> ParseBoardName(std::string_view name);

struct SharedBoard {
  std::string directory;
  std::string path;
  uid_t owner = 0;  // of the directory, and of the file
  BoardName name;
  BoardSnapshot snapshot;
};

struct BoardListing {
  std::vector<SharedBoard> boards;
  std::vector<LedgerError> problems;  // directories and boards that could not be read
};

// Reads the boards in `directories` (as of LedgerDirectories). Each must be a regular file of the
// directory's owner, closed to everybody else; no link is followed. Tries again where others wrote
// meanwhile.
BoardListing ReadSharedBoards(const std::vector<std::string>& directories);

// The board of the process itself in its ledger at `path`; no value: it has none.
std::optional<BoardSnapshot> ReadLedgerBoard(const std::string& path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_BOARD_FILES_H_
