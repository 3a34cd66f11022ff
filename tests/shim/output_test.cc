// SPDX-License-Identifier: Apache-2.0

#include "shim/log/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "tests/support/temporary_directory.h"

namespace pqleash::log {
namespace {

std::string ReadAll(const std::string& path) {
  std::string text(1024, '\0');
  const int fd = open(path.c_str(), O_RDONLY);
  const ssize_t size = read(fd, text.data(), text.size());
  close(fd);
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

// Puts `fd` in the place of stderr while it lives.
class StderrReplaced {
 public:
  explicit StderrReplaced(int fd) : before_(dup(STDERR_FILENO)) { dup2(fd, STDERR_FILENO); }
  ~StderrReplaced() {
    dup2(before_, STDERR_FILENO);
    close(before_);
  }

 private:
  const int before_;
};

TEST(Output, AppendsToAFileThatOnlyItsOwnerMayRead) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory / "log";
  const Output output(path.c_str());
  output.Write("one\n", 4);
  output.Write("two\n", 4);
  EXPECT_EQ(ReadAll(path), "one\ntwo\n");
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(Output, FollowsNoLink) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory / "log";
  const std::string other = directory / "other";
  close(open(other.c_str(), O_CREAT | O_WRONLY, 0600));
  ASSERT_EQ(symlink(other.c_str(), path.c_str()), 0);
  Output(path.c_str()).Write("one\n", 4);
  EXPECT_EQ(ReadAll(other), "");
}

TEST(Output, LeavesAStderrAloneThatHasBecomeSomethingElse) {
  const testing::TemporaryDirectory directory;
  const Output output("stderr");
  const std::string path = directory / "database";
  const int fd = open(path.c_str(), O_CREAT | O_RDWR, 0600);
  {
    const StderrReplaced replaced(fd);
    output.Write("not for you\n", 12);
  }
  close(fd);
  EXPECT_EQ(ReadAll(path), "");
}

TEST(Output, SurvivesAPipeWithoutAReader) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  {
    const StderrReplaced replaced(ends[1]);
    Output("stderr").Write("lost\n", 5);  // would end the test with SIGPIPE
  }
  close(ends[1]);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(Output, SurvivesTheLimitOfAFilesSize) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory / "log";
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {4, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Output output(path.c_str());
  output.Write("one\n", 4);
  output.Write("two\n", 4);  // would end the test with SIGXFSZ
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(ReadAll(path), "one\n");
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGXFSZ), 0);
}

// Whoever reads does not: each takes what it takes, and then nothing, and nobody waits. What was
// O_NONBLOCK before is so after it, for whoever shares it.
class FullPlace : public ::testing::Test {
 protected:
  ~FullPlace() override {
    for (const int fd : {ours_, theirs_}) {
      if (fd >= 0) close(fd);
    }
  }

  // Without O_NONBLOCK this waits for ever: the test's time is over then.
  void ExpectToBeLeftAlone() {
    ASSERT_GE(ours_, 0);
    const int flags = fcntl(ours_, F_GETFL);
    const std::string line(100, 'x');
    constexpr int kMany = 100'000;
    int written = 0;
    {
      const StderrReplaced replaced(ours_);
      const Output output("stderr");
      while (written < kMany && output.Write(line.data(), line.size())) ++written;
      EXPECT_FALSE(output.Write(line.data(), line.size()));
    }
    EXPECT_GT(written, 0);
    EXPECT_LT(written, kMany);
    EXPECT_EQ(fcntl(ours_, F_GETFL), flags);
  }

  int ours_ = -1;
  int theirs_ = -1;
};

TEST_F(FullPlace, APipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  theirs_ = ends[0];
  ours_ = ends[1];
  ExpectToBeLeftAlone();
  // And on again, with whole lines, when somebody reads.
  std::string read_back(4096, '\0');
  ASSERT_EQ(read(theirs_, read_back.data(), read_back.size()), 4096);
  ASSERT_EQ(read(theirs_, read_back.data(), read_back.size()), 4096);
  const StderrReplaced replaced(ours_);
  EXPECT_TRUE(Output("stderr").Write("again\n", 6));
}

TEST_F(FullPlace, ASocket) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  theirs_ = ends[0];
  ours_ = ends[1];
  ExpectToBeLeftAlone();
}

TEST_F(FullPlace, ATerminal) {
  ASSERT_EQ(openpty(&theirs_, &ours_, nullptr, nullptr, nullptr), 0);
  ExpectToBeLeftAlone();
}

TEST_F(FullPlace, ATerminalThatIsStopped) {
  ASSERT_EQ(openpty(&theirs_, &ours_, nullptr, nullptr, nullptr), 0);
  ASSERT_EQ(tcflow(ours_, TCOOFF), 0);
  const StderrReplaced replaced(ours_);
  EXPECT_FALSE(Output("stderr").Write("one\n", 4));
}

TEST_F(FullPlace, AFifoWithAReader) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory / "fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  theirs_ = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  const Output output(path.c_str());
  const std::string line(100, 'x');
  int written = 0;
  while (written < 100'000 && output.Write(line.data(), line.size())) ++written;
  EXPECT_GT(written, 0);
  EXPECT_LT(written, 100'000);
}

TEST(Output, WritesIntoNoFileOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make one";
  const testing::TemporaryDirectory directory;
  const std::string file = directory / "log";
  close(open(file.c_str(), O_CREAT | O_WRONLY, 0600));
  const std::string fifo = directory / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
  for (const std::string& path : {file, fifo}) {
    ASSERT_EQ(chown(path.c_str(), 12'345, 12'345), 0);
    ASSERT_EQ(chmod(path.c_str(), 0666), 0);
    EXPECT_FALSE(Output(path.c_str()).Write("one\n", 4)) << path;
  }
  close(reader);
  EXPECT_EQ(ReadAll(file), "");
}

TEST(Output, WritesIntoNoFileWithASecondName) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory / "log";
  const std::string other = directory / "other";
  close(open(other.c_str(), O_CREAT | O_WRONLY, 0600));
  ASSERT_EQ(link(other.c_str(), path.c_str()), 0);
  EXPECT_FALSE(Output(path.c_str()).Write("one\n", 4));
  EXPECT_EQ(ReadAll(other), "");
  ASSERT_EQ(unlink(other.c_str()), 0);
  EXPECT_TRUE(Output(path.c_str()).Write("one\n", 4));
}

TEST(Output, DoesNotWaitForAFifosReader) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory / "fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  Output(path.c_str()).Write("lost\n", 5);
}

}  // namespace
}  // namespace pqleash::log
