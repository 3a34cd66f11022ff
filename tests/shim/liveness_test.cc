// SPDX-License-Identifier: Apache-2.0

#include "shim/support/liveness.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/support/wait_until.h"

namespace pqleash::caps {
namespace {

using pqleash::testing::WaitUntil;

constexpr pid_t kDeadPid = 0x3fffffff;  // beyond the kernel's pid_max

TEST(Liveness, ARunningProcessRunsAndOneThatWasWaitedForDoesNot) {
  EXPECT_TRUE(Running(getpid()));
  EXPECT_TRUE(Running(getppid()));
  EXPECT_FALSE(Running(kDeadPid));
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  EXPECT_TRUE(Running(child));
  kill(child, SIGSTOP);
  EXPECT_TRUE(Running(child)) << "stopped";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(Running(child));
}

TEST(Liveness, AZombieDoesNotRun) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  EXPECT_TRUE(WaitUntil([&] { return !Running(child); }));
  EXPECT_EQ(kill(child, 0), 0) << "it is still there";
  waitpid(child, nullptr, 0);
}

TEST(Liveness, NumbersThatAreNoProcessDoNotRun) {
  for (const pid_t pid : {0, -1, -5, INT32_MIN}) EXPECT_FALSE(Running(pid)) << pid;
}

TEST(Liveness, TheNumberOfAThreadIsNoProcess) {
  std::thread thread([] { EXPECT_FALSE(Running(gettid())); });
  thread.join();
}

TEST(Liveness, MarksAreThoseOfTheProcess) {
  const ProcessMarks own = ReadMarks(getpid());
  EXPECT_NE(own.start_ticks, 0u);
  EXPECT_NE(own.stack_start, 0u);
  EXPECT_TRUE(SameProcess(own, ReadMarks(getpid())));
  const ProcessMarks none = ReadMarks(kDeadPid);
  EXPECT_EQ(none.start_ticks, 0u);
  EXPECT_EQ(none.stack_start, 0u);
}

TEST(Liveness, AnotherProgramInTheSameProcessIsAnotherOne) {
  int gate[2];
  int ready[2];
  ASSERT_EQ(pipe(gate), 0);
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    if (write(ready[1], "1", 1) == 1 && read(gate[0], &byte, 1) == 1)
      execlp("sleep", "sleep", "60", nullptr);
    _exit(1);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  const ProcessMarks before = ReadMarks(child);
  ASSERT_EQ(write(gate[1], "1", 1), 1);
  EXPECT_TRUE(WaitUntil([&] {
    const ProcessMarks after = ReadMarks(child);
    return after.start_ticks == before.start_ticks && after.stack_start != before.stack_start &&
           after.stack_start != 0 && !SameProcess(before, after);
  }));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  for (const int fd : {gate[0], gate[1], ready[0], ready[1]}) close(fd);
}

TEST(Liveness, MarksDifferWhereBothAreKnownAndDiffer) {
  const struct {
    ProcessMarks a, b;
    bool same;
  } cases[] = {
      {{5, 7}, {5, 7}, true},  {{5, 7}, {6, 7}, false}, {{5, 7}, {5, 8}, false},
      {{5, 7}, {5, 0}, true},  {{5, 0}, {5, 7}, true},  {{0, 0}, {5, 7}, true},
      {{0, 7}, {5, 8}, false}, {{5, 0}, {6, 0}, false},
  };
  for (const auto& each : cases)
    EXPECT_EQ(SameProcess(each.a, each.b), each.same)
        << each.a.start_ticks << ' ' << each.a.stack_start << ", " << each.b.start_ticks << ' '
        << each.b.stack_start;
}

}  // namespace
}  // namespace pqleash::caps
