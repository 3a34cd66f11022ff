// SPDX-License-Identifier: Apache-2.0
//
// The caps of a process that has the shared board, and of one that has its own alone.

#include "shim/caps/caps.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "shim/caps/board_file.h"
#include "shim/support/clock.h"
#include "tests/shim/board_fixture.h"
#include "tests/shim/caps_fixture.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::caps {
namespace {

using testing::CapOf;
using testing::kMs;
using testing::kOwn;
using testing::kPlace;
using testing::kSecond;
using testing::TestProcess;

class CapsTest : public ::testing::TestWithParam<Scope> {
 protected:
  CapsTest() : directory_fd_(open((directory_ / "").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  ~CapsTest() override { close(directory_fd_); }

  Policy Cap(uint32_t limit, OnLimit on_limit = kWait, const char* name = "db") const {
    Policy policy = CapOf(name, limit, on_limit);
    policy.scope = GetParam();
    return policy;
  }
  void Begin(const std::vector<Policy>& policies) { process_.Begin(policies, directory_fd_); }
  // The first policy, on the board that counts it.
  const Record& Counted() {
    if (GetParam() == kScopeProcess) {
      const auto* bytes = static_cast<const char*>(process_.own_memory.begin());
      const uint64_t records =
          reinterpret_cast<const BoardHeader*>(bytes)->core.shape.records_offset;
      return *reinterpret_cast<const Record*>(bytes + records);
    }
    if (!shared_.attached()) OpenShared(&shared_);
    return shared_.record(0);
  }
  void OpenShared(Board* board) const {
    char problem[256];
    EXPECT_TRUE(OpenSharedBoard(directory_fd_, geteuid(), kPlace, false, board, problem))
        << problem;
  }
  // Names of the policies that the shared board lists.
  std::vector<std::string> Listed() const {
    Board board;
    OpenShared(&board);
    std::vector<std::string> names;
    for (uint32_t i = 0; i < kMaxPolicies; ++i) {
      if (board.record(i).origin != kFromNobody) names.emplace_back(board.record(i).filed.name);
    }
    return names;
  }

  const ::pqleash::testing::TemporaryDirectory directory_;
  const int directory_fd_;
  TestProcess process_;
  Board shared_;
};

using Names = std::vector<std::string>;

TEST_P(CapsTest, ACapThatItsFileNoLongerHasIsOnNoBoardAndWhoWaitsForItGoes) {
  Begin({Cap(1), Cap(5, kReject, "stays")});
  EXPECT_EQ(process_.Connect(0).answer, Answer::kGo);
  EXPECT_EQ(process_.Connect(1).answer, Answer::kWait);
  process_.surveyor.Write({Cap(5, kReject, "stays")}, 2);
  process_.Refresh();
  EXPECT_EQ(process_.caps.Look(1, Now()).answer, Answer::kGo);
  EXPECT_EQ(Listed(), Names{"stays"});
  EXPECT_EQ(Counted().origin, kFromNobody);
  for (const uint32_t slot : {0u, 1u}) process_.caps.GiveBack(slot, Now());
  process_.surveyor.Write({Cap(1), Cap(5, kReject, "stays")}, 3);
  process_.Refresh();
  EXPECT_EQ(Listed().size(), 2u);
  EXPECT_EQ(process_.Connect(2).answer, Answer::kGo);
  EXPECT_EQ(process_.Connect(3).answer, Answer::kWait);
}

TEST_P(CapsTest, WhatAnotherFileHasStays) {
  struct {
    const char* what;
    uint64_t source, stamp;  // of the file that holds the cap as well
    Names then;
  } const kTable[] = {{"as old, the same", 1, 1, {}},
                      {"newer than the change", 1, 3, {"db"}},
                      {"another", 2, 2, {"db"}}};
  for (const auto& each : kTable) {
    SCOPED_TRACE(each.what);
    TestProcess process;
    TestProcess other;
    const std::string name = directory_ / each.what;
    ASSERT_EQ(mkdir(name.c_str(), 0700), 0);
    const int fd = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    process.Begin({Cap(1)}, fd);
    other.Begin({Cap(1 + static_cast<uint32_t>(each.stamp))}, fd, each.stamp, each.source);
    process.surveyor.Write({}, 2);
    process.Refresh();
    Board board;
    char problem[256];
    ASSERT_TRUE(OpenSharedBoard(fd, geteuid(), kPlace, false, &board, problem)) << problem;
    EXPECT_EQ(board.record(0).origin, each.then.empty() ? kFromNobody : kFromConfig);
    close(fd);
  }
}

// Whichever is seen first.
TEST_P(CapsTest, ANameThatStaysInTheFileStaysOnTheBoard) {
  Begin({Cap(1)});
  for (uint64_t stamp = 2; stamp < 6; ++stamp) {
    process_.surveyor.Write({Cap(static_cast<uint32_t>(stamp))}, stamp);
    process_.Refresh();
    EXPECT_EQ(Listed(), Names{"db"});
    EXPECT_EQ(Counted().rule.limit, stamp);
  }
}

TEST_P(CapsTest, ARefusalByItsOwnDeadlineIsCounted) {
  Begin({Cap(1)});
  EXPECT_EQ(process_.Connect(0).answer, Answer::kGo);
  EXPECT_EQ(process_.Connect(1).answer, Answer::kWait);
  const uint64_t deadline = Now() + 2 * kSecond;
  process_.caps.Shorten(1, deadline);
  EXPECT_LE(process_.caps.Latest(1).look_again_ns, deadline);
  EXPECT_EQ(process_.caps.Look(1, deadline - kMs).answer, Answer::kWait);
  const Outcome end = process_.caps.Look(1, deadline);
  EXPECT_EQ(end.answer, Answer::kTimedOut);
  EXPECT_GT(end.waited_ns, kSecond);
  EXPECT_EQ(Counted().timed_out, 1u);
  EXPECT_EQ(Counted().waiting, 0u);
}

TEST_P(CapsTest, WhoIsAdmittedBeyondTheLimitWaitsNoLongerAndCounts) {
  Begin({Cap(1)});
  EXPECT_EQ(process_.Connect(0).answer, Answer::kGo);
  EXPECT_EQ(process_.Connect(1).answer, Answer::kWait);
  EXPECT_EQ(process_.Connect(2).answer, Answer::kWait);
  process_.caps.AdmitBeyond(1, Now());
  EXPECT_TRUE(process_.caps.Holds(1));
  EXPECT_EQ(Counted().use, 2u);
  EXPECT_EQ(Counted().waiting, 1u);
  // Nobody who waits no longer is counted twice.
  process_.caps.AdmitBeyond(0, Now());
  process_.caps.AdmitBeyond(3, Now());
  EXPECT_EQ(Counted().use, 2u);
  for (const uint32_t slot : {0u, 1u}) {
    EXPECT_EQ(process_.caps.Look(2, Now()).answer, Answer::kWait);
    process_.caps.GiveBack(slot, Now());
  }
  EXPECT_EQ(process_.caps.Look(2, Now()).answer, Answer::kGo);
  process_.caps.GiveBack(2, Now());
  EXPECT_EQ(Counted().use, 0u);
}

INSTANTIATE_TEST_SUITE_P(, CapsTest, ::testing::Values(kScopeProcess, kScopeUser),
                         [](const auto& scope) {
                           return std::string(kScopeNames[scope.param]) + "Scope";
                         });

}  // namespace
}  // namespace pqleash::caps
