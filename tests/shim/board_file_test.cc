// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/board_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "shim/caps/board_lock.h"
#include "shim/caps/holders.h"
#include "shim/support/clock.h"
#include "tests/shim/board_fixture.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::caps {
namespace {

using testing::Bit;
using testing::CapOf;
using ::testing::HasSubstr;
using testing::IdentityOf;
using testing::kMs;

constexpr uint64_t kNamespace = 4711;
constexpr BoardPlace kPlace = {kNamespace, 4712, 0xb007};
constexpr uint64_t kNow = 1'000'000 * kMs;

class BoardFileTest : public ::testing::Test {
 protected:
  BoardFileTest()
      : directory_(open(temporary_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    char name[kBoardNameSize];
    NameBoard(kBoardVersion, kPlace, name);
    path_ = temporary_ / name;
  }
  ~BoardFileTest() override {
    for (Board* board : boards_) {
      if (board->attached()) Unmap(*board);
      delete board;
    }
    close(directory_);
  }

  static void Unmap(const Board& board) {
    munmap(const_cast<BoardHeader*>(&board.header()), board.header().core.size);
  }

  Board* Open(bool create = true) {
    boards_.push_back(new Board);
    problem_[0] = '\0';
    opened_ = OpenSharedBoard(directory_, geteuid(), kPlace, create, boards_.back(), problem_);
    return boards_.back();
  }
  size_t FilesLeft() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(temporary_.path()))
      ++count;
    return count;
  }

  testing::SharedMemory results_ = testing::SharedMemory(4096);
  pqleash::testing::TemporaryDirectory temporary_;
  int directory_;
  std::string path_;
  char problem_[256] = {};
  bool opened_ = false;

 private:
  std::vector<Board*> boards_;
};

TEST_F(BoardFileTest, IsMadeForItsOwnerAloneAndIsNamedAfterThePidNamespace) {
  Open(false);
  EXPECT_FALSE(opened_);
  EXPECT_THAT(problem_, HasSubstr("No such file"));
  const Board* board = Open();
  ASSERT_TRUE(opened_) << problem_;
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0400u);
  EXPECT_EQ(static_cast<uint64_t>(status.st_size), Board::Size(kSharedCapacity));
  EXPECT_LT(status.st_blocks * 512, 1'000'000) << "what is not used takes no memory";
  EXPECT_EQ(board->header().core.pid_namespace, kNamespace);
  EXPECT_EQ(FilesLeft(), 1u);
}

TEST_F(BoardFileTest, IsTheSameForAllWhoOpenIt) {
  Board* first = Open();
  Board* second = Open(false);
  ASSERT_TRUE(opened_) << problem_;
  bool differs;
  const uint32_t cap =
      first->Install(CapOf("cap", 1, kWait), "", kFromConfig, 0, 1, kNow, &differs);
  EXPECT_STREQ(second->record(cap).filed.name, "cap");
  EXPECT_EQ(second->generation(), first->generation());
}

TEST_F(BoardFileTest, IsMadeOnceByManyAtOnce) {
  constexpr int kProcesses = 4;
  constexpr int kThreads = 4;
  for (int turn = 0; turn < 20; ++turn) {
    auto* members = static_cast<uint32_t*>(results_.begin());
    std::vector<pid_t> processes;
    for (int i = 0; i < kProcesses; ++i) {
      processes.push_back(fork());
      if (processes.back() != 0) continue;
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, i, t] {
          Board board;
          char problem[256];
          if (!OpenSharedBoard(directory_, geteuid(), kPlace, true, &board, problem)) _exit(1);
          // Numbers of no process, so that none takes the other's place.
          members[i * kThreads + t] =
              board.Join({0x3f000000 + i * kThreads + t, 0, 0, "", ""}, pqleash::Now());
        });
      }
      for (std::thread& thread : threads) thread.join();
      _exit(0);
    }
    for (const pid_t process : processes) {
      int status = 0;
      waitpid(process, &status, 0);
      EXPECT_EQ(status, 0);
    }
    std::set<uint32_t> different;
    for (int i = 0; i < kProcesses * kThreads; ++i) different.insert(members[i]);
    EXPECT_EQ(different.size(), static_cast<size_t>(kProcesses * kThreads))
        << "not all are on one board";
    EXPECT_EQ(FilesLeft(), 1u);
    unlink(path_.c_str());
  }
}

TEST_F(BoardFileTest, WhatIsNoBoardOfOursIsRefusedAndLeftAlone) {
  const struct {
    const char* what;
    const char* problem;
  } cases[] = {
      {"link", "symbolic links"},     {"directory", "directory"}, {"fifo", "no regular file"},
      {"open to others", "mode 600"}, {"empty", "cannot map"},    {"short", "damaged"},
      {"one page", "damaged"},        {"zeroes", "damaged"},      {"cut", "damaged"},
      {"version", "damaged"},         {"labels", "damaged"},      {"entries", "damaged"},
      {"not shared", "damaged"},      {"garbage", "damaged"}};
  Open();
  ASSERT_TRUE(opened_) << problem_;
  const auto whole = static_cast<off_t>(Board::Size(kSharedCapacity));
  const std::string good = temporary_ / "good";
  std::filesystem::rename(path_, good);
  for (const auto& each : cases) {
    SCOPED_TRACE(each.what);
    const std::string what = each.what;
    std::filesystem::remove_all(path_);
    if (what == "link") {
      std::filesystem::create_symlink(good, path_);
    } else if (what == "directory") {
      std::filesystem::create_directory(path_);
    } else if (what == "fifo") {
      ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
    } else {
      std::filesystem::copy_file(good, path_);
      const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
      BoardHeader header;
      ASSERT_EQ(pread(fd, &header, sizeof(header), 0), static_cast<ssize_t>(sizeof(header)));
      if (what == "open to others") fchmod(fd, 0640);
      off_t size = whole;
      if (what == "empty") size = 0;
      if (what == "short") size = 100;
      if (what == "one page") size = 4096;
      if (what == "cut") size = whole - 4096;
      if (what == "zeroes") header = {};
      if (what == "version") header.core.version = kBoardVersion + 1;
      if (what == "labels") header.label_capacity = 1'000;
      if (what == "entries") header.entry_capacity = UINT32_MAX;
      if (what == "not shared") header.core.shared = 0;
      if (what == "garbage") memset(&header, 0xa5, sizeof(header));
      ASSERT_EQ(pwrite(fd, &header, sizeof(header), 0), static_cast<ssize_t>(sizeof(header)));
      ASSERT_EQ(ftruncate(fd, size), 0);
      close(fd);
    }
    Open();
    EXPECT_FALSE(opened_);
    EXPECT_THAT(problem_, HasSubstr(each.problem));
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::symlink_status(path_)));
  }
  EXPECT_EQ(FilesLeft(), 2u);
}

TEST_F(BoardFileTest, ABoardOfAnotherUserIsRefused) {
  Open();
  Board board;
  EXPECT_FALSE(OpenSharedBoard(directory_, geteuid() + 1, kPlace, true, &board, problem_));
  EXPECT_THAT(problem_, HasSubstr("user"));
}

TEST_F(BoardFileTest, WhereNoFileMayGrowNothingIsLeft) {
  const pid_t process = fork();
  if (process == 0) {
    const rlimit none = {65'536, 65'536};
    setrlimit(RLIMIT_FSIZE, &none);  // SIGXFSZ would end the process
    Board board;
    char problem[256] = {};
    const bool opened = OpenSharedBoard(directory_, geteuid(), kPlace, true, &board, problem);
    _exit(!opened && problem[0] != '\0' ? 0 : 1);
  }
  int status = 0;
  waitpid(process, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(FilesLeft(), 0u);
}

// The child is killed by a filter of system calls where the complete board gets its name: the last
// moment at which nobody else knows of it.
TEST_F(BoardFileTest, WhoIsKilledWhileItIsMadeLeavesNothing) {
  const int nameless = openat(directory_, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  if (nameless < 0) GTEST_SKIP() << "no files without a name here: " << strerror(errno);
  close(nameless);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_linkat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {std::size(code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
      _exit(1);
    }
    Open();
    _exit(2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
  EXPECT_EQ(FilesLeft(), 0u);
  EXPECT_TRUE(Open()->attached()) << problem_;
}

TEST_F(BoardFileTest, PagesAreMadeWhereverTheRangeBegins) {
  testing::SharedMemory memory(16 * 4096);
  auto* begin = static_cast<char*>(memory.begin());
  EXPECT_TRUE(MakePages(begin + 5'000, 8'000));
  unsigned char there[16];
  ASSERT_EQ(mincore(begin, memory.size(), there), 0);
  for (int page = 0; page < 16; ++page)
    EXPECT_EQ(there[page] & 1, page >= 1 && page <= 3 ? 1 : 0) << page;
}

// What other processes may have left on a board must neither crash nor stop those who use it.
TEST_F(BoardFileTest, DamageToWhatIsNotCheckedAtTheBeginningDoesNoHarm) {
  const BoardCapacity capacity = {8, 16, 64};
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    testing::SharedMemory memory(Board::Size(capacity));
    Board board;
    ASSERT_TRUE(board.Create(memory.begin(), capacity, true, {}, nullptr));
    uint64_t now = kNow;
    const uint32_t member = board.Join(IdentityOf(getpid()), now);
    bool differs;
    const uint32_t cap =
        board.Install(CapOf("cap", 3, kWait), "", kFromConfig, 0, 1, now, &differs);
    Request request = {member, Bit(cap), kNoEntry, 0, now, 0, true, false};
    std::vector<Outcome> outcomes;
    for (int i = 0; i < 20; ++i) outcomes.push_back(board.Enter(request));
    // The lock and what is behind it, of a different kind in each turn, and half of the time while
    // the lock is held.
    std::mt19937_64 random(seed);
    std::optional<BoardLock> held;
    if (seed % 8 >= 4) held.emplace(&board, now);
    auto* bytes = static_cast<unsigned char*>(memory.begin());
    const size_t list = offsetof(BoardHeader, lock);
    const size_t entries = board.header().entries_offset;
    const size_t from = seed % 4 == 0 ? list : seed % 4 == 1 ? entries : list;
    const size_t to = seed % 4 == 0   ? sizeof(BoardHeader)
                      : seed % 4 == 1 ? entries + 20 * sizeof(Entry)
                                      : memory.size();
    const int count = seed % 4 == 3 ? 20'000 : 20;
    for (int i = 0; i < count; ++i)
      bytes[from + random() % (to - from)] =
          static_cast<unsigned char>(random() % 3 ? random() % 70 : random());
    held.reset();
    for (const Outcome& each : outcomes) {
      now += 10 * kMs;
      request.now = now;
      board.Look(each, now);
      board.Withdraw(each.entry, each.ticket, now);
      const Outcome next = board.Enter(request);
      board.Recount(next.entry, random(), now);
      board.Settle(next.entry, true, now);
      board.Look(next, now);
      board.Withdraw(next.entry, next.ticket, now);
    }
    uint32_t biggest;
    BiggestHolder(board, cap, &biggest);
    board.AddLabel(random(), "label", now);
    Episode episode;
    board.NextEpisode(now, &episode);
    board.Install(CapOf("new", 3, kWait), "web", kFromConfig, 0, 1, now, &differs);
    board.Retire(cap, now);
    board.Leave(member, now);
    board.Join(IdentityOf(getpid()), now);
  }
}

}  // namespace
}  // namespace pqleash::caps
