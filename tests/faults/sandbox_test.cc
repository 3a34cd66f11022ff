// SPDX-License-Identifier: Apache-2.0
//
// Programs under filters of system calls that kill, made of the calls that they themselves make.

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

using Words = std::vector<std::string>;

constexpr int kNotAllowed = 99;  // see programs/sandboxed.cc

class Sandbox : public ::testing::TestWithParam<const char*> {
 protected:
  Command Bare(const Words& words) const {
    Command command;
    command.arguments = {PQLEASH_TEST_PROGRAMS "/sandboxed"};
    command.arguments.insert(command.arguments.end(), words.begin(), words.end());
    if (getenv("PGHOST") == nullptr)
      command.environment["LD_LIBRARY_PATH"] = PQLEASH_TEST_STANDIN_DIR;
    return command;
  }

  Command Preloaded(const Words& words) const {
    Command command = Bare(words);
    command.environment["LD_PRELOAD"] = PQLEASH_TEST_LIBRARY;
    command.environment["PQLEASH_DIR"] = ledgers();
    command.environment["PQLEASH_LOG"] = directory_ / "log";
    return command;
  }

  // The words for a run under the narrowest filter that the bare program gets by with, and `more`.
  Words Narrowest(const Words& more = {}) const {
    const Outcome learnt = RunToEnd(Bare({"learn", GetParam()}));
    EXPECT_EQ(learnt.exit_code, 0) << HowItEnded(learnt) << learnt.out;
    Words words = {"filter", GetParam()};
    std::istringstream numbers(learnt.out);
    for (std::string number; numbers >> number;) words.push_back(number);
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  std::string ledgers() const { return directory_ / "ledgers"; }

  // Ledgers that were made.
  size_t Ledgers() const {
    size_t count = 0;
    if (!std::filesystem::exists(ledgers())) return 0;
    for (const auto& entry : std::filesystem::directory_iterator(ledgers()))
      count += entry.path().extension() == ".ledger" ? 1 : 0;
    return count;
  }

 private:
  const TemporaryDirectory directory_;
};

TEST_P(Sandbox, IsNotLeft) {
  const Words words = Narrowest();
  ASSERT_GT(words.size(), 2u);
  const Outcome bare = RunToEnd(Bare(words));
  if (bare.exit_code == kNotAllowed) GTEST_SKIP() << bare.out;
  ASSERT_EQ(bare.exit_code, 5) << HowItEnded(bare) << bare.out;
  const Outcome preloaded = RunToEnd(Preloaded(words));
  EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare)) << preloaded.out << preloaded.err;
  EXPECT_EQ(preloaded.out, bare.out);
  EXPECT_EQ(Ledgers(), 1u);
}

// The program is looked at in its end, where it waits.
TEST_P(Sandbox, IsNotLeftInAnAudit) {
  const Words words = Narrowest();
  const Outcome bare = RunToEnd(Bare(words));
  if (bare.exit_code == kNotAllowed) GTEST_SKIP() << bare.out;
  Command audit = Bare(words);
  const Words tool = {PQLEASH_TEST_TOOL, "audit", "--"};
  audit.arguments.insert(audit.arguments.begin(), tool.begin(), tool.end());
  audit.environment["PQLEASH_DIR"] = ledgers();
  const Outcome audited = RunToEnd(audit);
  EXPECT_EQ(audited.out.substr(0, bare.out.size()), bare.out) << audited.err;
  EXPECT_EQ(audited.signal, 0);
  EXPECT_EQ(audited.exit_code, bare.exit_code) << audited.out << audited.err;
}

INSTANTIATE_TEST_SUITE_P(Seccomp, Sandbox, ::testing::Values("first", "later", "thread", "leak"),
                         [](const auto& when) { return std::string(when.param); });

class ForkedSandbox : public Sandbox {};

// The child's own ledger would have to be made inside. Whether a filter is there can be asked by
// whoever may read a file.
TEST_P(ForkedSandbox, IsLeftAlone) {
  const Words words =
      Narrowest({std::to_string(SYS_openat), std::to_string(SYS_read), std::to_string(SYS_close)});
  const Outcome bare = RunToEnd(Bare(words));
  if (bare.exit_code == kNotAllowed) GTEST_SKIP() << bare.out;
  ASSERT_EQ(bare.exit_code, 5) << HowItEnded(bare) << bare.out;
  const Outcome preloaded = RunToEnd(Preloaded(words));
  EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare));
  EXPECT_EQ(preloaded.out, bare.out);
  EXPECT_EQ(Ledgers(), 1u) << "the parent's alone";
}

INSTANTIATE_TEST_SUITE_P(Seccomp, ForkedSandbox, ::testing::Values("child"),
                         [](const auto& when) { return std::string(when.param); });

}  // namespace
}  // namespace pqleash::testing
