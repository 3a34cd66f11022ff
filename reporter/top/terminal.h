// SPDX-License-Identifier: Apache-2.0
//
// The terminal, with ncurses. One at a time.

#ifndef PQLEASH_REPORTER_TOP_TERMINAL_H_
#define PQLEASH_REPORTER_TOP_TERMINAL_H_

#include <optional>
#include <stdexcept>
#include <vector>

#include "reporter/top/keys.h"
#include "reporter/top/screen.h"

namespace pqleash::reporter::top {

// Sets the locale's LC_CTYPE as the environment has it. Whether that is one of UTF-8.
bool UseOwnLocale();

// What to wait for, and what has come.
enum class Awaited {
  kKeys,
  kNews,     // the descriptor is readable
  kNothing,  // the time is over, or the window has another size
  kEnd,      // the terminal is gone
  kSignal,   // SIGINT, SIGTERM, SIGHUP or SIGQUIT: see signal()
};

class Terminal {
 public:
  // Takes the screen over. `colour`: if the terminal has any. `utf8`: otherwise all is shown in
  // ASCII. Throws std::runtime_error with one sentence where the terminal cannot be used.
  Terminal(bool colour, bool utf8);
  // Gives the screen back as it was.
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Of the window as it is now.
  Size size();
  void Draw(const std::vector<Line>& lines);

  // The next key; no value: none was pressed, or the window has another size.
  std::optional<Key> Read();

  Awaited Wait(int news_fd, int timeout_ms);
  // That has asked us to end; 0: none.
  static int signal();

 private:
  bool colour_;
  const bool utf8_;
};

}  // namespace pqleash::reporter::top

#endif  // PQLEASH_REPORTER_TOP_TERMINAL_H_
