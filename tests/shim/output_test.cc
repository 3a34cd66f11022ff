// SPDX-License-Identifier: Apache-2.0

#include "shim/log/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

TEST(Output, DoesNotWaitForAFifosReader) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory / "fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  Output(path.c_str()).Write("lost\n", 5);
}

}  // namespace
}  // namespace pqleash::log
