// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "tests/support/lateness.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

TEST(Subprocess, CapturesOutputAndExitCode) {
  const Outcome outcome = RunToEnd({.arguments = {"sh", "-c", "echo out; echo err >&2; exit 3"}});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.signal, 0);
  EXPECT_EQ(outcome.out, "out\n");
  EXPECT_EQ(outcome.err, "err\n");
}

TEST(Subprocess, KnowsWhetherItHasEnded) {
  Subprocess process({.arguments = {"cat"}, .hold_input = true});
  EXPECT_FALSE(process.HasEnded());
  process.CloseInput();
  EXPECT_TRUE(WaitUntil([&] { return process.HasEnded(); }));
  EXPECT_EQ(process.Wait().exit_code, 0);
  EXPECT_TRUE(process.HasEnded());
}

TEST(Subprocess, TellsSignalFromExitCode) {
  const Outcome outcome = RunToEnd({.arguments = {"sh", "-c", "kill -TERM $$"}});
  EXPECT_EQ(outcome.signal, SIGTERM);
  EXPECT_EQ(outcome.exit_code, -1);
  EXPECT_EQ(HowItEnded(outcome), "signal 15");
}

TEST(Subprocess, PassesEnvironmentDirectoryAndInput) {
  const TemporaryDirectory directory;
  const Outcome outcome = RunToEnd({.arguments = {"sh", "-c", "echo $ONE-$HOME; pwd; cat"},
                                    .environment = {{"ONE", "1"}, {"HOME", std::nullopt}},
                                    .directory = directory.path(),
                                    .input = "typed"});
  EXPECT_EQ(outcome.out, "1-\n" + directory.path().string() + "\ntyped");
}

TEST(Subprocess, SendsStderrWhereAskedTo) {
  EXPECT_EQ(RunToEnd({.arguments = {"sh", "-c", "echo err >&2"}, .err_to = "&1"}).out, "err\n");
  EXPECT_EQ(
      RunToEnd({.arguments = {"sh", "-c", "test -e /proc/self/fd/2 || echo closed"}, .err_to = "-"})
          .out,
      "closed\n");
  EXPECT_EQ(RunToEnd({.arguments = {"sh", "-c", "echo err >&2"}, .err_to = "|"}).signal, SIGPIPE);
}

TEST(Subprocess, CannotStartWhatIsNotThere) {
  EXPECT_THROW(RunToEnd({.arguments = {"/nonexistent/program"}}), std::system_error);
}

TEST(Subprocess, KillsWhatTakesTooLong) {
  const Outcome outcome =
      RunToEnd({.arguments = {"sleep", "1000"}, .limit = std::chrono::milliseconds(50)});
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(outcome.signal, SIGKILL);
}

TEST(Subprocess, WaitsForOutputAndKillsOnDestruction) {
  pid_t pid;
  {
    Subprocess process({.arguments = {"sh", "-c", "echo ready; exec sleep 1000"}});
    EXPECT_TRUE(process.WaitForOutput("ready"));
    pid = process.pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(Subprocess, HoldsInputOpenUntilClosed) {
  Subprocess process({.arguments = {"sh", "-c", "echo ready; cat; echo end"},
                      .input = "typed\n",
                      .hold_input = true});
  EXPECT_TRUE(process.WaitForOutput("ready\ntyped"));
  process.CloseInput();
  EXPECT_EQ(process.Wait().out, "ready\ntyped\nend\n");
}

TEST(Subprocess, LargeOutputDoesNotBlock) {
  const Outcome outcome = RunToEnd(
      {.arguments = {"sh", "-c", "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"}});
  EXPECT_EQ(outcome.out.size(), 300'000u);
  EXPECT_EQ(outcome.err.size(), 300'000u);
}

TEST(TemporaryDirectory, IsPrivateAndGoesAway) {
  std::filesystem::path path;
  {
    const TemporaryDirectory directory;
    path = directory.path();
    struct stat status;
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0700u);
    std::ofstream(directory / "file") << "content";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(WaitUntil, AsksUntilItHoldsOrTimeIsUp) {
  int asked = 0;
  EXPECT_TRUE(WaitUntil([&] { return ++asked == 3; }));
  EXPECT_EQ(asked, 3);
  EXPECT_FALSE(WaitUntil([] { return false; }, std::chrono::milliseconds(10)));
}

TEST(Lateness, AllowsWhatItHasSeen) {
  Lateness late;
  ASSERT_TRUE(WaitUntil([&] { return late.Worst() > 0; })) << "a timer has its slack";
  EXPECT_GE(late.Allows(0.5), 0.5 + 10 * late.Worst() * 0.999);
  EXPECT_GT(late.Allows(0.5), 0.5);
}

// A process that is stopped is the machine that makes nobody go on.
TEST(Lateness, IsThatOfAMachineThatStandsStill) {
  constexpr double kStill = 0.2;
  const pid_t child = fork();
  if (child == 0) {
    Lateness late;
    while (late.Worst() == 0) usleep(1'000);
    raise(SIGSTOP);
    const double seen = late.Worst();
    late.Restart();
    _exit(seen < kStill - 0.01 ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status)) << status;
  WaitUntil([] { return false; }, std::chrono::milliseconds(static_cast<int>(kStill * 1'000)));
  kill(child, SIGCONT);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "it has not noticed";
}

}  // namespace
}  // namespace pqleash::testing
