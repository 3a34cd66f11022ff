// SPDX-License-Identifier: Apache-2.0
//
// A shared board that is locked, removed, another user's, another version's, or the parent's.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "shim/caps/board_file.h"
#include "shim/caps/board_lock.h"
#include "shim/caps/caps.h"
#include "shim/support/clock.h"
#include "tests/shim/board_fixture.h"
#include "tests/shim/caps_fixture.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::caps {
namespace {

using testing::Bit;
using testing::CapOf;
using testing::IdentityOf;
using testing::kPlace;
using testing::SharedMemory;
using testing::TestProcess;

class CapsBoardTest : public ::testing::Test {
 protected:
  CapsBoardTest()
      : path_(directory_ / "pqleash"),
        made_(mkdir(path_.c_str(), 0700)),
        fd_(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    process_.path = path_;
    // Another process, that lives as long as this one.
    other_.path = path_;
    other_.pid = getppid();
  }
  ~CapsBoardTest() override { close(fd_); }

  void Begin(TestProcess* process, uint32_t limit) const {
    process->Begin({CapOf("db", limit, kWait)}, fd_);
  }
  void Hold(TestProcess* process, uint32_t slot) const {
    EXPECT_EQ(process->Connect(slot).answer, Answer::kGo);
    process->surveyor.held[slot] = true;
  }
  // The one that its name leads to.
  const Board& OpenBoard() {
    char problem[256];
    const int fd = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    EXPECT_TRUE(OpenSharedBoard(fd, geteuid(), kPlace, false, &board_, problem)) << problem;
    close(fd);
    return board_;
  }
  std::string BoardPath(uint32_t version = kBoardVersion) const {
    char name[kBoardNameSize];
    NameBoard(version, kPlace, name);
    return path_ + "/" + name;
  }

  const ::pqleash::testing::TemporaryDirectory directory_;
  const std::string path_;
  const int made_;
  const int fd_;
  TestProcess process_;
  TestProcess other_;
  Board board_;
  bool differs_ = false;
};

std::string Maps() {
  std::ifstream maps("/proc/self/maps");
  return {std::istreambuf_iterator<char>(maps), {}};
}

TEST_F(CapsBoardTest, WhoWasLockedOutAtTheBeginningHasItsCapsAtTheNextConnect) {
  Begin(&other_, 1);
  OpenBoard();
  {
    const BoardLock lock(&board_, Now());
    ASSERT_TRUE(lock.held());
    std::thread([&] { Begin(&process_, 1); }).join();
    EXPECT_FALSE(process_.caps.Any());
    EXPECT_NE(process_.caps.LockedOutSince(), 0u);
    EXPECT_NE(board_.header().busy_since_ns, 0u);
    std::thread([&] { process_.caps.Refresh(Now()); }).join();
    EXPECT_FALSE(process_.caps.Any());
  }
  process_.caps.Refresh(Now());
  EXPECT_TRUE(process_.caps.Any());
  EXPECT_EQ(process_.caps.LockedOutSince(), 0u);
  EXPECT_EQ(board_.header().busy_since_ns, 0u);
  Hold(&process_, 0);
  EXPECT_EQ(process_.Connect(1).answer, Answer::kWait);
}

TEST_F(CapsBoardTest, ACapInForceStaysSoWhileItsChangeIsLockedOut) {
  Begin(&process_, 1);
  OpenBoard();
  process_.surveyor.Write({CapOf("db", 2, kWait)}, 2);
  {
    const BoardLock lock(&board_, Now());
    std::thread([&] { process_.Refresh(); }).join();
    EXPECT_TRUE(process_.caps.Any());
    EXPECT_EQ(board_.record(0).rule.limit, 1u);
  }
  process_.caps.Refresh(Now());
  EXPECT_EQ(board_.record(0).rule.limit, 2u);
}

TEST_F(CapsBoardTest, WhatIsHeldCountsOnTheBoardThatReplacesARemovedOne) {
  Begin(&process_, 3);
  Hold(&process_, 0);
  Hold(&process_, 1);
  OpenBoard();
  ASSERT_NE(
      board_.Install(CapOf("added", 9, kReject), "", kFromOperator, 0, 1, Now(), &differs_, 1),
      kNoPolicyNumber);
  Rule rule = board_.record(0).rule;
  rule.limit = 4;
  ASSERT_TRUE(board_.Override(0, rule, 4711, Now()));
  std::filesystem::remove_all(path_);
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  const int fd = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  other_.Begin({CapOf("db", 3, kWait)}, fd);
  close(fd);
  Hold(&other_, 0);
  process_.Refresh();
  const Board& board = OpenBoard();
  EXPECT_EQ(board.use(0), 3u);
  EXPECT_EQ(board.record(0).rule.limit, 4u) << "as the operator set it";
  EXPECT_STREQ(board.record(1).filed.name, "added");
  Hold(&process_, 2);
  EXPECT_EQ(other_.Connect(1).answer, Answer::kWait);
  process_.caps.GiveBack(0, Now());
  EXPECT_EQ(other_.caps.Look(1, Now()).answer, Answer::kGo);
}

TEST_F(CapsBoardTest, WhoWaitsAtARemovedBoardGoesOnWaitingAtTheNextOne) {
  Begin(&process_, 1);
  Hold(&process_, 0);
  const Outcome waiting = process_.Connect(1);
  ASSERT_EQ(waiting.answer, Answer::kWait);
  std::filesystem::remove_all(path_);
  process_.Refresh();
  const Outcome still = process_.caps.Look(1, Now());
  EXPECT_EQ(still.answer, Answer::kWait);
  EXPECT_EQ(still.deadline_ns, waiting.deadline_ns);
  EXPECT_EQ(OpenBoard().record(0).waiting, 1u);
  process_.caps.GiveBack(0, Now());
  EXPECT_EQ(process_.caps.Look(1, Now()).answer, Answer::kGo);
}

TEST_F(CapsBoardTest, ABoardThatWasNotToBeHadIsUsedOnceItIs) {
  std::filesystem::create_directory(BoardPath());
  Begin(&process_, 1);
  Hold(&process_, 0);
  std::filesystem::remove(BoardPath());
  process_.Refresh();
  EXPECT_EQ(OpenBoard().use(0), 1u);
}

TEST_F(CapsBoardTest, AProcessThatChangesItsUserLosesTheBoard) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const pid_t child = fork();
  if (child == 0) {
    process_.pid = getpid();
    Begin(&process_, 1);
    Hold(&process_, 0);
    if (Maps().find(path_) == std::string::npos || seteuid(65'534) != 0) _exit(1);
    process_.Refresh();
    if (Maps().find(path_) != std::string::npos) _exit(2);
    if (process_.Connect(1).answer != Answer::kWait) _exit(3);
    process_.caps.GiveBack(0, Now());
    _exit(process_.caps.Look(1, Now()).answer == Answer::kGo ? 0 : 4);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
  EXPECT_EQ(OpenBoard().use(0), 0u) << "what it held as root is given back";
}

TEST_F(CapsBoardTest, AForkedChildFindsZerosWhereItsParentHasTheBoard) {
  Begin(&process_, 1);
  OpenBoard();
  const auto* magic = board_.header().core.magic;
  const pid_t child = fork();
  if (child == 0) {
    if (Maps().find(path_) != std::string::npos) _exit(1);
    _exit(magic[0] == 0 ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << status;
}

// The first version, as its library laid it out.
std::string FirstBoard(uint32_t use) {
  std::string bytes(65'536 + 4'096, '\0');
  const auto put = [&](size_t at, const void* from, size_t size) {
    memcpy(bytes.data() + at, from, size);
  };
  const uint32_t one = 1;
  const uint32_t scope = kScopeUser;
  const int32_t pid = getpid();
  put(0, kBoardMagic, sizeof(kBoardMagic));
  put(8, &one, sizeof(one));
  put(4'096, &one, sizeof(one));  // origin
  put(4'096 + 8, "db", 2);
  put(4'096 + 60, &scope, sizeof(scope));
  put(4'096 + 536, &use, sizeof(use));
  put(65'536, &pid, sizeof(pid));
  return bytes;
}

// A version to come, which is like this one but for its number.
std::string LaterBoard(uint32_t use, pid_t pid) {
  const BoardCapacity capacity = {8, 16, 64};
  SharedMemory memory(Board::Size(capacity));
  Board board;
  EXPECT_TRUE(board.Create(memory.begin(), capacity, true, kPlace, nullptr));
  bool differs;
  board.Install(CapOf("db", 9, kWait), "", kFromConfig, 0, 1, Now(), &differs);
  Request request = {};
  request.member = board.Join(IdentityOf(pid), Now());
  request.policies = Bit(0);
  request.now = Now();
  for (uint32_t i = 0; i < use; ++i) board.Enter(request);
  static_cast<BoardHeader*>(memory.begin())->core.version = kBoardVersion + 1;
  return {static_cast<const char*>(memory.begin()), memory.size()};
}

TEST_F(CapsBoardTest, WhatIsInUseOnBoardsOfOtherVersionsCounts) {
  const struct {
    const char* what;
    uint32_t version;
    std::string bytes;
    bool counts;
  } kCases[] = {{"first", 1, FirstBoard(2), true},
                {"later", kBoardVersion + 1, LaterBoard(2, getpid()), true},
                {"dead", kBoardVersion + 1, LaterBoard(2, 0x3fffffff), false},
                {"empty", kBoardVersion + 1, "", false},
                {"garbage", kBoardVersion + 1, std::string(100'000, '\xa5'), false}};
  for (const auto& each : kCases) {
    SCOPED_TRACE(each.what);
    const std::string path = BoardPath(each.version);
    std::ofstream(path) << each.bytes;
    ASSERT_EQ(chmod(path.c_str(), 0600), 0);
    TestProcess process;
    process.path = path_;
    process.Begin({CapOf("db", 3, kWait)}, fd_);
    EXPECT_EQ(process.Connect(0).answer, Answer::kGo);
    EXPECT_EQ(process.Connect(1).answer, each.counts ? Answer::kWait : Answer::kGo);
    // The other version's processes end.
    std::filesystem::remove(path);
    process.Refresh();
    EXPECT_EQ(process.caps.Look(1, Now()).answer, Answer::kGo);
    process.caps.Leave(Now());
    std::filesystem::remove(BoardPath());
  }
}

}  // namespace
}  // namespace pqleash::caps
