// SPDX-License-Identifier: Apache-2.0

#include "reporter/words/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace pqleash::reporter {
namespace {

TEST(ProgressText, SaysHowMuchOfWhat) {
  EXPECT_EQ(SearchText(4711, 1'200'000'000, 3'400'000'000),
            "searching memory of 4711: 1.2 of 3.4 GB");
  EXPECT_EQ(SearchText(4711, 12'000'000, 340'000'000), "searching memory of 4711: 12 of 340 MB");
  EXPECT_EQ(SymbolText(1'200, 5'000), "reading symbols: 1,200 of 5,000 frames");
  EXPECT_EQ(SymbolText(0, 999), "reading symbols: 0 of 999 frames");
  EXPECT_EQ(SymbolText(1, 1'234'567), "reading symbols: 1 of 1,234,567 frames");
}

TEST(ProgressPace, IsSilentForHalfASecondThenTenTimesASecond) {
  constexpr uint64_t kMs = 1'000'000;
  ProgressPace pace(1'000 * kMs);
  EXPECT_FALSE(pace.Due(1'000 * kMs));
  EXPECT_FALSE(pace.Due(1'499 * kMs));
  EXPECT_TRUE(pace.Due(1'500 * kMs));
  EXPECT_FALSE(pace.Due(1'599 * kMs));
  EXPECT_TRUE(pace.Due(1'600 * kMs));
}

// A child whose stderr is `fd`, that shows progress until it is told to end by a signal, or for a
// second.
pid_t Work(int fd, bool endless) {
  const pid_t child = fork();
  if (child != 0) return child;
  dup2(fd, STDERR_FILENO);
  setenv("TERM", "xterm", 1);
  {
    ProgressLine line;
    const time_t until = time(nullptr) + (endless ? 60 : 2);
    while (time(nullptr) < until) {
      line.Show([] { return SymbolText(1, 2); });
    }
  }
  _exit(0);
}

std::string ReadUntil(int fd, const std::string& text) {
  std::string read_so_far;
  pollfd readable = {fd, POLLIN, 0};
  while (read_so_far.find(text) == std::string::npos && poll(&readable, 1, 10'000) > 0) {
    char piece[256];
    const ssize_t size = read(fd, piece, sizeof piece);
    if (size <= 0) break;
    read_so_far.append(piece, static_cast<size_t>(size));
  }
  return read_so_far;
}

TEST(ProgressLine, IsErasedAtTheEndAndByCtrlC) {
  for (const bool interrupted : {false, true}) {
    int ours = -1;
    int theirs = -1;
    ASSERT_EQ(openpty(&ours, &theirs, nullptr, nullptr, nullptr), 0);
    const pid_t child = Work(theirs, interrupted);
    close(theirs);
    std::string seen = ReadUntil(ours, "reading symbols: 1 of 2 frames");
    EXPECT_NE(seen.find("reading symbols: 1 of 2 frames"), std::string::npos) << seen;
    if (interrupted) kill(child, SIGINT);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    seen += ReadUntil(ours, "nothing else");
    EXPECT_TRUE(seen.ends_with("\r\033[K")) << seen;
    EXPECT_EQ(seen.find('\n'), std::string::npos) << "one line, written over";
    EXPECT_EQ(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT, interrupted);
    close(ours);
  }
}

TEST(ProgressLine, IsNotInAPipe) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = Work(ends[1], false);
  close(ends[1]);
  EXPECT_EQ(ReadUntil(ends[0], "anything"), "");
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  close(ends[0]);
}

}  // namespace
}  // namespace pqleash::reporter
