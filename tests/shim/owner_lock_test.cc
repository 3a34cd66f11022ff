// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/owner_lock.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "shim/support/liveness.h"

namespace pqleash::caps {
namespace {

constexpr uint64_t kPatience = 20'000'000;

class OwnerLockTest : public ::testing::Test {
 protected:
  OwnerLockTest()
      : word_(static_cast<uint64_t*>(
            mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~OwnerLockTest() override { munmap(word_, 4096); }

  static LockOwner Self() {
    return ThisThread(ProcessOwner(getpid(), ReadMarks(getpid()).start_ticks));
  }
  Taken Take(uint64_t patience = kPatience) { return TakeLock(word_, Self(), patience); }

  uint64_t* word_;
};

TEST_F(OwnerLockTest, IsOnesUntilItIsReleased) {
  EXPECT_EQ(Take(), Taken::kFree);
  EXPECT_EQ(*word_, Self());
  std::thread([&] { EXPECT_EQ(Take(), Taken::kBusy); }).join();
  std::thread([&] { EXPECT_EQ(Take(0), Taken::kBusy); }).join();
  ReleaseLock(word_, Self());
  EXPECT_EQ(*word_, 0u);
  EXPECT_EQ(Take(0), Taken::kFree);
}

TEST_F(OwnerLockTest, IsNotTakenTwiceByAThreadWhichIsToldAtOnce) {
  ASSERT_EQ(Take(), Taken::kFree);
  // Would last for years if it waited.
  EXPECT_EQ(Take(UINT64_MAX / 4), Taken::kBusy);
}

TEST_F(OwnerLockTest, WhoWaitsIsWoken) {
  ASSERT_EQ(Take(), Taken::kFree);
  const LockOwner owner = Self();
  std::thread other([&] {
    EXPECT_EQ(Take(60'000'000'000), Taken::kFree);
    ReleaseLock(word_, Self());
  });
  while ((__atomic_load_n(word_, __ATOMIC_RELAXED) & uint64_t{1} << 31) == 0) sched_yield();
  ReleaseLock(word_, owner);
  other.join();
  EXPECT_EQ(*word_, 0u);
}

TEST_F(OwnerLockTest, OfAProcessThatDiedIsTakenOver) {
  const pid_t process = fork();
  if (process == 0) {
    Take();
    _exit(0);
  }
  // Not waited for: a zombie is dead.
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(process), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(Take(), Taken::kFromDead);
  ReleaseLock(word_, Self());
  EXPECT_EQ(*word_, 0u);
  waitpid(process, nullptr, 0);
}

TEST_F(OwnerLockTest, OfAThreadThatEndedIsTakenOver) {
  std::thread([&] { Take(); }).join();
  EXPECT_EQ(Take(), Taken::kFromDead);
}

TEST_F(OwnerLockTest, OfAProcessWhoseNumberIsAnothersIsTakenOver) {
  const pid_t parent = getppid();
  const uint64_t ticks = ReadMarks(parent).start_ticks;
  const auto thread = static_cast<LockOwner>(parent);
  *word_ = ProcessOwner(parent, ticks) | thread;
  EXPECT_EQ(Take(), Taken::kBusy);
  *word_ = ProcessOwner(parent, ticks + 1) | thread;
  EXPECT_EQ(Take(60'000'000'000), Taken::kFromDead) << ticks;
}

TEST_F(OwnerLockTest, WhatNoLockWouldHoldIsTakenOver) {
  for (const uint64_t damage : {uint64_t{1}, uint64_t{1} << 31, ~uint64_t{0}, uint64_t{1} << 40}) {
    *word_ = damage;
    EXPECT_EQ(Take(), Taken::kFromDead) << damage;
  }
}

TEST_F(OwnerLockTest, AnothersIsNotReleased) {
  const LockOwner other = ProcessOwner(getppid(), 0) | static_cast<LockOwner>(getppid());
  *word_ = other;
  ReleaseLock(word_, Self());
  EXPECT_EQ(*word_, other);
}

}  // namespace
}  // namespace pqleash::caps
