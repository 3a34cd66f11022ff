// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/hook.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace pqleash::reporter {
namespace {

using std::chrono::milliseconds;

class HookTest : public ::testing::Test {
 protected:
  std::string Read(const std::string& name) const {
    std::ifstream file(directory_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t Lines(const std::string& name) const {
    const std::string text = Read(name);
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  // A command of words that name files in the directory.
  std::string In(const std::string& command) const {
    return "cd '" + directory_.path().string() + "' && " + command;
  }

  testing::TemporaryDirectory directory_;
};

TEST_F(HookTest, GetsTheFinding) {
  Hook hook(In("cat > input && printf '%s' \"$PQLEASH_FINDING_KIND\" > kind && mv kind done"), {});
  const std::string input(200'000, 'x');  // more than a pipe holds
  hook.Call({input, {{"PQLEASH_FINDING_KIND", "leak $(touch oops) `x` \"'"}}});
  ASSERT_TRUE(testing::WaitUntil([&] { return !Read("done").empty(); }));
  EXPECT_EQ(Read("done"), "leak $(touch oops) `x` \"'");
  EXPECT_EQ(Read("input"), input);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "oops"));
}

TEST_F(HookTest, OneThatDoesNotReadItIsFine) {
  Hook hook(In("echo x >> ran"), {});
  hook.Call({std::string(200'000, 'x'), {}});
  hook.Call({std::string(200'000, 'x'), {}});
  EXPECT_TRUE(testing::WaitUntil([&] { return Lines("ran") == 2; })) << Read("ran");
}

TEST_F(HookTest, OneThatHangsIsEndedWithAllThatItStarted) {
  Hook hook(In("if [ -e first ]; then echo x > second; exit; fi; "
               "sleep 1000 & echo $! > new; mv new first; wait"),
            {.time = milliseconds(200), .burst = 10'000});
  // Until one had the time to begin, and one after it to say so.
  ASSERT_TRUE(testing::WaitUntil([&] {
    hook.Call({});
    return Lines("second") > 0;
  })) << Read("first");
  const pid_t sleeper = std::stoi(Read("first"));
  EXPECT_TRUE(testing::WaitUntil([&] { return kill(sleeper, 0) != 0; })) << sleeper;
}

TEST_F(HookTest, RunsArePaced) {
  Hook hook(In("echo x >> ran"), {.burst = 2, .pause = std::chrono::hours(1)});
  for (int i = 0; i < 5; ++i) hook.Call({});
  EXPECT_TRUE(testing::WaitUntil([&] { return Lines("ran") == 2; })) << Read("ran");
  EXPECT_FALSE(testing::WaitUntil([&] { return Lines("ran") > 2; }, milliseconds(300)));
}

TEST_F(HookTest, CallingNeverWaitsAndEndingDoesNotEither) {
  // Whoever waited for the command, or for its time, would not come to the end of this test.
  Hook hook(In("echo $$ > begun; exec sleep 1000"), {.time = std::chrono::hours(1), .waiting = 3});
  for (int i = 0; i < 1'000; ++i) hook.Call({});
  EXPECT_TRUE(testing::WaitUntil([&] { return Lines("begun") == 1; }));
}

}  // namespace
}  // namespace pqleash::reporter
