// SPDX-License-Identifier: Apache-2.0
//
// Rows of one view, as plain values: escaped texts, and the numbers to sort them by.

#ifndef PQLEASH_REPORTER_TOP_TABLE_H_
#define PQLEASH_REPORTER_TOP_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shim/caps/policy.h"

namespace pqleash::reporter::top {

// What is to be noticed; shown by a sign, and in colour where there is any.
enum class Mark { kNone, kWarning, kAlarm };

struct Cell {
  std::string text;              // escaped
  std::optional<double> number;  // to sort by; else the text is, and no number comes last
};

struct TableColumn {
  const char* key;    // for --sort
  const char* title;  // static
  bool right = false;
  size_t width = 0;  // columns; of the flexible one at least
  int rank = 0;      // where there is no room the highest go first; 0 never does
  bool flexible = false;
  bool front = false;  // cut at the front: the end says more
};

// A cap that can be changed.
struct CapTarget {
  std::string board;    // path
  std::string name;     // not escaped
  std::string service;  // not escaped; empty: of the user
  uint32_t limit = 0;
  uint64_t open = 0;                // connections that it counts now
  uint32_t on_limit = caps::kWarn;  // caps::OnLimit
};

struct Row {
  std::string key;  // the same thing has the same one in every sample
  Mark mark = Mark::kNone;
  std::vector<Cell> cells;       // as the table's columns
  std::optional<CapTarget> cap;  // of a row of caps
};

struct Table {
  std::vector<TableColumn> columns;
  std::vector<Row> rows;
  std::string empty;  // what to say without rows
};

// Index of the column called `key`; no value: there is none.
std::optional<size_t> ColumnOf(const Table& table, const std::string& key);

// Numbers from the largest down, texts from A to Z; the other way round where `reverse`. Rows that
// are equal keep their order.
void SortRows(const std::string& key, bool reverse, Table* table);

// Keeps rows in one of whose cells `filter` occurs, whatever the case of ASCII letters.
void FilterRows(const std::string& filter, Table* table);

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_TABLE_H_
