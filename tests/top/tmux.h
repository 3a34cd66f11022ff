// SPDX-License-Identifier: Apache-2.0
//
// A terminal that a test types into and reads: a tmux server of its own.

#ifndef PQLEASH_TESTS_TOP_TMUX_H_
#define PQLEASH_TESTS_TOP_TMUX_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"

namespace pqleash::testing {

bool HasTmux();

class Tmux {
 public:
  // 80 columns and 24 lines, with a shell in them whose prompt is 'shell$ '.
  explicit Tmux(const std::map<std::string, std::string>& environment);
  ~Tmux();
  Tmux(const Tmux&) = delete;
  Tmux& operator=(const Tmux&) = delete;

  // Keys by tmux's names ('Enter', 'Down'), or single characters.
  void Press(const std::vector<std::string>& keys) const;
  // Letter by letter, as it is.
  void Type(const std::string& text) const;
  void Resize(int width, int height) const;

  std::string Screen() const;
  // Whether the screen shows the text within 20 s. Fails the test, and shows the screen, if not.
  bool Shows(const std::string& text) const;
  bool ShowsNoMore(const std::string& text) const;
  // Process that runs under the shell; 0: none.
  int ChildOfShell() const;

 private:
  std::string Run(std::vector<std::string> words) const;

  const TemporaryDirectory directory_;
};

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_TOP_TMUX_H_
