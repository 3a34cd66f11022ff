// SPDX-License-Identifier: Apache-2.0

#include "tests/top/tmux.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/support/subprocess.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {

bool HasTmux() { return RunToEnd({.arguments = {"sh", "-c", "command -v tmux"}}).exit_code == 0; }

Tmux::Tmux(const std::map<std::string, std::string>& environment) {
  std::vector<std::string> words = {"-u", "-f",       "/dev/null",  "new-session", "-d",
                                    "-x", "80",       "-y",         "24",          "env",
                                    "-u", "NO_COLOR", "PS1=shell$ "};
  for (const auto& [name, value] : environment) words.push_back(name + "=" + value);
  // A shell without start-up files and history, whose prompt is ours.
  for (const char* word : {"ENV=", "sh", "-i"}) words.emplace_back(word);
  Run(words);
  Shows("shell$");
}

Tmux::~Tmux() { Run({"kill-server"}); }

std::string Tmux::Run(std::vector<std::string> words) const {
  words.insert(words.begin(), {"tmux", "-S", directory_ / "socket"});
  const Outcome outcome = RunToEnd({.arguments = words,
                                    .environment = {{"TMUX", std::nullopt},
                                                    {"LD_PRELOAD", std::nullopt},
                                                    {"LC_ALL", "C.UTF-8"},
                                                    {"COLUMNS", std::nullopt},
                                                    {"LINES", std::nullopt}}});
  EXPECT_EQ(outcome.exit_code, 0) << "tmux " << words[3] << ": " << outcome.err;
  return outcome.out;
}

void Tmux::Press(const std::vector<std::string>& keys) const {
  std::vector<std::string> words = {"send-keys"};
  words.insert(words.end(), keys.begin(), keys.end());
  Run(words);
}

void Tmux::Type(const std::string& text) const { Run({"send-keys", "-l", text}); }

void Tmux::Resize(int width, int height) const {
  Run({"resize-window", "-x", std::to_string(width), "-y", std::to_string(height)});
}

std::string Tmux::Screen() const { return Run({"capture-pane", "-p"}); }

bool Tmux::Shows(const std::string& text) const {
  const bool shows = WaitUntil([&] { return Screen().find(text) != std::string::npos; });
  EXPECT_TRUE(shows) << "'" << text << "' is not on the screen:\n" << Screen();
  return shows;
}

bool Tmux::ShowsNoMore(const std::string& text) const {
  const bool gone = WaitUntil([&] { return Screen().find(text) == std::string::npos; });
  EXPECT_TRUE(gone) << "'" << text << "' is on the screen still:\n" << Screen();
  return gone;
}

int Tmux::ChildOfShell() const {
  const int shell = std::atoi(Run({"display-message", "-p", "#{pane_pid}"}).c_str());
  const std::string path =
      "/proc/" + std::to_string(shell) + "/task/" + std::to_string(shell) + "/children";
  std::ifstream children(path);
  int child = 0;
  children >> child;
  return child;
}

}  // namespace pqleash::testing
