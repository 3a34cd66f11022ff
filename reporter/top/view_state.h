// SPDX-License-Identifier: Apache-2.0
//
// Where the user is, and what is being asked of them. Plain values; keys.h changes them.

#ifndef PQLEASH_REPORTER_TOP_VIEW_STATE_H_
#define PQLEASH_REPORTER_TOP_VIEW_STATE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "reporter/top/table.h"

namespace pqleash::reporter::top {

enum class View { kServices, kCallSites, kConnections, kStack, kFindings, kFinding, kCaps, kHelp };

struct Place {
  View view = View::kServices;
  std::string service;  // key of the row that was entered; empty: all
  std::string site;
  std::string item;  // of kStack: the connection, if one was entered; of kFinding: the finding
  std::string sort;  // key of a column
  bool reverse = false;
  std::string filter;
  std::string selected;  // key of a row; empty: the first
  size_t at = 0;     // where that row was last: what takes its place is selected when it is gone
  size_t first = 0;  // row or line at the top of the window
};

// The question in the last line.
struct Prompt {
  enum class Kind { kNone, kFilter, kLimit, kConfirm };
  Kind kind = Kind::kNone;
  std::string text;    // typed so far; of kConfirm: the new limit
  std::string before;  // of kFilter: what Esc goes back to
  CapTarget cap;
};

struct ViewState {
  std::vector<Place> path = std::vector<Place>(1);  // never empty; the last is shown
  Prompt prompt;
  std::string status;       // escaped; until the next key
  bool status_bad = false;  // it says what went wrong
  size_t page = 1;          // rows of the window; filled in by whoever lays the screen out

  Place& place() { return path.back(); }
  const Place& place() const { return path.back(); }
};

// The column that a view is sorted by at first.
const char* FirstSort(View view);

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_VIEW_STATE_H_
