// SPDX-License-Identifier: Apache-2.0
//
// Putting escaped text into lines.

#ifndef PQLEASH_REPORTER_RENDER_LAYOUT_H_
#define PQLEASH_REPORTER_RENDER_LAYOUT_H_

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/findings/finding.h"

namespace pqleash::reporter {

inline constexpr size_t kTextWidth = 110;  // columns

// Writes `text` in lines of at most kTextWidth columns, broken at blanks where possible. The first
// begins with `first`, the others with as many blanks.
void WriteWrapped(std::string_view first, std::string_view text, std::ostream& out);

// The same for items, separated by commas: none is broken.
void WriteItems(std::string_view first, const std::vector<std::string>& items, std::ostream& out);

struct Column {
  std::string title;
  bool right = false;  // aligned
};

// Writes a table as wide as its cells; the last column is not padded. `indent` blanks before each
// line; no title line where all titles are empty.
void WriteTable(const std::vector<Column>& columns,
                const std::vector<std::vector<std::string>>& rows, size_t indent,
                std::ostream& out);

// Terminal attributes, or nothing.
class Style {
 public:
  explicit Style(bool colour) : colour_(colour) {}
  std::string Bold(std::string_view text) const { return Wrap("1", text); }
  std::string Alarm(std::string_view text) const { return Wrap("1;31", text); }
  std::string Warning(std::string_view text) const { return Wrap("33", text); }
  std::string Dim(std::string_view text) const { return Wrap("2", text); }

 private:
  std::string Wrap(std::string_view code, std::string_view text) const;

  bool colour_;
};

// `text` in the colour of a finding.
std::string BySeverity(const Style& style, Severity severity, std::string_view text);

// Writes a line for each sentence on what is missing, after an empty one. Escapes them.
void WriteIncomplete(const std::vector<std::string>& incomplete, const Style& style,
                     std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_LAYOUT_H_
