// SPDX-License-Identifier: Apache-2.0
//
// Escaped text in columns of a terminal, where a character takes none, one or two. Widths are those
// of wcwidth(3): they need a UTF-8 locale. Pure otherwise.

#ifndef PQLEASH_REPORTER_TOP_CELLS_H_
#define PQLEASH_REPORTER_TOP_CELLS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter::top {

// Columns that `text` takes.
size_t CellsOf(std::string_view text);

// The beginning, or the end, of `text` in at most `columns`, with '…' where something is missing. A
// wide character that does not fit whole is left out: the result may be a column narrower.
std::string FitEnd(std::string_view text, size_t columns);
std::string FitFront(std::string_view text, size_t columns);

// Exactly `columns` wide: cut at the end, or filled with blanks.
std::string PadRight(std::string_view text, size_t columns);
std::string PadLeft(std::string_view text, size_t columns);

// Lines of at most `columns`, broken at blanks where possible; `columns` is 1 or more.
std::vector<std::string> WrapCells(std::string_view text, size_t columns);

// For terminals without UTF-8: '?' for every character that is not ASCII, '~' for '…'.
std::string ToAscii(std::string_view text);

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_CELLS_H_
