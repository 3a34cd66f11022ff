// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_WORDS_ESCAPE_H_
#define PQLEASH_REPORTER_WORDS_ESCAPE_H_

#include <string>
#include <string_view>

namespace pqleash::reporter {

// Text that another process gave, made safe for a terminal and for a chat window: control bytes and
// invalid UTF-8 become \xNN; control characters, bidirectional controls and characters that cannot
// be seen \u{…}; a backslash is doubled, so that nothing else looks like that. The result is valid
// UTF-8 of one line.
std::string Escape(std::string_view bytes);

// Whether all of it may be shown as it is, apart from backslashes: one code point.
bool IsShowable(char32_t code_point);

// Columns that escaped text takes, counting a code point as one.
size_t Width(std::string_view escaped);

// Cuts escaped text to `columns`, with '...' at the end where something is missing.
std::string CutEnd(std::string escaped, size_t columns);
// The same at the front: the end of a path says more.
std::string CutFront(std::string escaped, size_t columns);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_WORDS_ESCAPE_H_
