// SPDX-License-Identifier: Apache-2.0
//
// What is on the screen, line by line. Pure.

#ifndef PQLEASH_REPORTER_TOP_SCREEN_H_
#define PQLEASH_REPORTER_TOP_SCREEN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "reporter/top/model.h"
#include "reporter/top/view_state.h"

namespace pqleash::reporter::top {

struct Size {
  size_t width = 80;
  size_t height = 24;
};

// Colours and attributes say nothing that the text does not.
enum class Style { kPlain, kStrong, kHeading, kSelected, kWarning, kAlarm, kDim };

struct Span {
  std::string text;  // escaped
  Style style = Style::kPlain;
};
using Line = std::vector<Span>;

// The whole screen: exactly `size.height` lines, none wider than `size.width`. Brings the state up
// to date with what is shown: the selection is in the window, and a page is as long as that.
std::vector<Line> LayOut(const Summary& summary, const Shown& shown, Size size, ViewState* state);

// The same for a file or a pipe: all rows, as plain text, without blanks at the ends of lines and
// without what is about keys.
std::string PlainScreen(const Summary& summary, const Shown& shown, size_t width);

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_SCREEN_H_
