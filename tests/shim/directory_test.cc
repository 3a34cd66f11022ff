// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "shim/ledger/layout.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::ledger {
namespace {

using ::testing::HasSubstr;

constexpr pid_t kDeadPid = 0x3fffffff;  // beyond the kernel's pid_max

class DirectoryTest : public ::testing::Test {
 protected:
  int Open(const std::string& path) { return OpenDirectory(path.c_str(), geteuid(), &problem_); }

  // A ledger file of `pid` that was modified `age` seconds ago.
  void Put(int directory, const std::string& name, int age, uint64_t pid_namespace) {
    Header header = {};
    header.pid_namespace = pid_namespace;
    const int fd = openat(directory, name.c_str(), O_CREAT | O_WRONLY, 0600);
    ASSERT_EQ(write(fd, &header, sizeof(header)), static_cast<ssize_t>(sizeof(header)));
    const timespec when = {time(nullptr) - age, 0};
    const timespec times[2] = {when, when};
    futimens(fd, times);
    close(fd);
  }

  bool Exists(const std::string& name) { return std::filesystem::exists(temporary_ / name); }

  testing::TemporaryDirectory temporary_;
  Problem problem_ = {};
};

TEST_F(DirectoryTest, IsMadeForItsOwnerAlone) {
  const std::string path = temporary_ / "ledgers";
  const int fd = Open(path);
  ASSERT_GE(fd, 0) << problem_.text;
  close(fd);
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  close(Open(path));
}

TEST_F(DirectoryTest, MustNotBeALink) {
  const std::string target = temporary_ / "target";
  const std::string link = temporary_ / "link";
  mkdir(target.c_str(), 0700);
  ASSERT_EQ(symlink(target.c_str(), link.c_str()), 0);
  EXPECT_EQ(Open(link), -1);
  EXPECT_THAT(problem_.text, HasSubstr(link));
}

TEST_F(DirectoryTest, MustBeClosedToOthers) {
  const std::string path = temporary_ / "open";
  mkdir(path.c_str(), 0700);
  chmod(path.c_str(), 0755);
  EXPECT_EQ(Open(path), -1);
  EXPECT_THAT(problem_.text, HasSubstr("mode 755"));
}

TEST_F(DirectoryTest, MustBeOurs) {
  const std::string path = temporary_ / "theirs";
  mkdir(path.c_str(), 0700);
  EXPECT_EQ(OpenDirectory(path.c_str(), geteuid() + 1, &problem_), -1);
  EXPECT_THAT(problem_.text, HasSubstr("expected user"));
}

TEST_F(DirectoryTest, AMissingParentIsNamed) {
  EXPECT_EQ(Open(temporary_ / "no/such"), -1);
  EXPECT_THAT(problem_.text, HasSubstr("No such file or directory"));
}

TEST_F(DirectoryTest, EachImageOfAProcessHasAFileOfItsOwn) {
  const int directory = Open(temporary_.path().string());
  for (const char* expected : {"4711-99.ledger", "4711-99.1.ledger", "4711-99.2.ledger"}) {
    char name[64];
    const int fd = CreateLedgerFile(directory, 4711, 99, name, &problem_);
    ASSERT_GE(fd, 0) << problem_.text;
    close(fd);
    EXPECT_STREQ(name, expected);
  }
  close(directory);
}

// Its maker writes it; a shell's '>' does not cut it short, whatever the umask was.
TEST_F(DirectoryTest, ALedgerIsClosedToWritersByItsName) {
  const int directory = Open(temporary_.path().string());
  for (const mode_t mask : {0022u, 0777u}) {
    const mode_t before = umask(mask);
    char name[64];
    const int fd = CreateLedgerFile(directory, 4711, mask, name, &problem_);
    umask(before);
    ASSERT_GE(fd, 0) << problem_.text;
    struct stat status;
    ASSERT_EQ(fstat(fd, &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0400u) << mask;
    EXPECT_EQ(write(fd, "x", 1), 1);
    close(fd);
  }
  close(directory);
}

TEST_F(DirectoryTest, ALinkInPlaceOfTheLedgerIsNotFollowed) {
  const int directory = Open(temporary_.path().string());
  ASSERT_EQ(symlink("/etc/passwd", (temporary_ / "4711-99.ledger").c_str()), 0);
  char name[64];
  close(CreateLedgerFile(directory, 4711, 99, name, &problem_));
  EXPECT_STREQ(name, "4711-99.1.ledger");
  close(directory);
}

TEST_F(DirectoryTest, KeepsTheYoungestOfTheDead) {
  const int directory = Open(temporary_.path().string());
  const std::string dead = std::to_string(kDeadPid);
  for (int i = 0; i < 5; ++i)
    Put(directory, dead + "-" + std::to_string(i) + ".ledger", 100 - i, 7);
  RemoveOldLedgers(directory, 2, 7);
  close(directory);
  EXPECT_FALSE(Exists(dead + "-0.ledger"));
  EXPECT_FALSE(Exists(dead + "-1.ledger"));
  EXPECT_FALSE(Exists(dead + "-2.ledger"));
  EXPECT_TRUE(Exists(dead + "-3.ledger"));
  EXPECT_TRUE(Exists(dead + "-4.ledger"));
}

int SweepersOf(int directory, int processes) {
  int sweepers = 0;
  for (int pid = 1'000; pid < 1'000 + processes; ++pid)
    sweepers += TimeToSweep(directory, static_cast<uint64_t>(pid)) ? 1 : 0;
  return sweepers;
}

// What all processes together do is not to grow with the square of their number.
TEST_F(DirectoryTest, IsSweptByTheFewerTheLargerItIs) {
  if (access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no tmpfs";
  const testing::TemporaryDirectory in_memory("/dev/shm");
  const int directory = Open(in_memory.path().string());
  const auto fill = [&](int from, int to) {
    for (int i = from; i < to; ++i) Put(directory, std::to_string(i) + ".file", 0, 7);
  };
  fill(0, 300);
  EXPECT_EQ(SweepersOf(directory, 1'000), 1'000);
  fill(300, 5'000);
  const int sweepers = SweepersOf(directory, 1'000);
  EXPECT_GT(sweepers, 20);
  EXPECT_LT(sweepers, 100);
  close(directory);
}

TEST_F(DirectoryTest, LeavesAloneWhatIsNotDeadOrNotOurs) {
  const int directory = Open(temporary_.path().string());
  const std::string dead = std::to_string(kDeadPid);
  const std::string living = std::to_string(getpid());
  Put(directory, living + "-1.ledger", 100, 7);
  Put(directory, dead + "-2.ledger", 100, 8);  // another pid namespace
  Put(directory, "notes.txt", 100, 7);
  Put(directory, "12x-1.ledger", 100, 7);
  RemoveOldLedgers(directory, 0, 7);
  close(directory);
  EXPECT_TRUE(Exists(living + "-1.ledger"));
  EXPECT_TRUE(Exists(dead + "-2.ledger"));
  EXPECT_TRUE(Exists("notes.txt"));
  EXPECT_TRUE(Exists("12x-1.ledger"));
}

}  // namespace
}  // namespace pqleash::ledger
