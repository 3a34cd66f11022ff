// SPDX-License-Identifier: Apache-2.0
//
// From two samples to what a view shows. Pure. All texts that come out are escaped.

#ifndef PQLEASH_REPORTER_TOP_MODEL_H_
#define PQLEASH_REPORTER_TOP_MODEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/top/sample.h"
#include "reporter/top/table.h"
#include "reporter/top/view_state.h"

namespace pqleash::reporter::top {

// A line of a view that is no table; wrapped where it is too long.
struct DetailLine {
  enum class Kind { kText, kTitle, kFrame, kDim };
  Kind kind = Kind::kText;
  std::string text;   // escaped
  std::string place;  // of kFrame: file and line, or module and offset
};

// The lines above every view.
struct Summary {
  std::string host;   // escaped
  std::string clock;  // '12:40:03'
  uint64_t services = 0;
  uint64_t processes = 0;
  uint64_t open = 0;
  uint64_t in_use = 0;
  uint64_t waiting = 0;
  uint64_t findings = 0;
  std::optional<double> opened_rate;  // by the second; no value: there is one sample alone
  std::optional<double> closed_rate;
  std::string answer;  // escaped
  bool answer_bad = false;
  uint64_t incomplete = 0;  // things that could not be read
};

// What the place in the path shows. Of `table` and `detail` one is used.
struct Shown {
  bool is_table = true;
  Table table;  // filtered and sorted
  std::vector<DetailLine> detail;
  std::string title;  // where we are: 'orders > call sites'; escaped
};

// `before` is the sample that rates count from; nullptr: there is none yet.
Summary SummaryOf(const Sample* before, const Sample& now);
Shown ShownOf(const Sample* before, const Sample& now, const Place& place);

// Index of the selected row, or of what has taken its place; 0 where there are no rows.
size_t SelectedIndex(const Table& table, const Place& place);

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_MODEL_H_
