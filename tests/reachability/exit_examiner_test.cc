// SPDX-License-Identifier: Apache-2.0
//
// Programs that end with connections open, and wait at their end to be looked at.

#include "reporter/reachability/exit_examiner.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <map>
#include <string>
#include <thread>

#include "reporter/observe/collect.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::reporter {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::Command;
using testing::Subprocess;

constexpr uint64_t kRun = 0xabcd1234;

class AtExit : public ::testing::Test {
 protected:
  Command Ender(const std::string& hold, const std::string& how = "") const {
    Command command = {.arguments = {PQLEASH_TEST_ENDER},
                       .environment = {{"LD_PRELOAD", PQLEASH_TEST_LIBRARY},
                                       {"PQLEASH_DIR", ledgers()},
                                       {"PQLEASH_RUN", fmt::format("{:x}", kRun)},
                                       {"PQLEASH_HOLD_AT_EXIT", hold},
                                       {"LD_LIBRARY_PATH", PQLEASH_TEST_STANDIN_DIR}}};
    if (!how.empty()) command.arguments.push_back(how);
    return command;
  }

  std::string ledgers() const { return directory_ / "ledgers"; }

  // One that waits at its end for as long as it may, in another directory, where nobody looks for
  // it. Who does not wait, and began after it, ends before it.
  Command WaitsInVain(const std::string& hold = "8s") const {
    Command command = Ender(hold);
    command.environment["PQLEASH_DIR"] = directory_ / "others";
    return command;
  }

  // By the application_name of the connection.
  std::map<std::string, ConnectionReach> Verdicts(const ExitExaminer& examiner) const {
    Selection selection;
    selection.directory = ledgers();
    selection.all = true;
    Collected collected = Collect(selection);
    AddExitVerdicts(examiner, &collected);
    std::map<std::string, ConnectionReach> verdicts;
    for (size_t i = 0; i < collected.snapshots.size(); ++i) {
      const Snapshot& snapshot = collected.snapshots[i];
      for (size_t j = 0; j < snapshot.connections.size(); ++j) {
        const Connection& connection = snapshot.connections[j];
        verdicts[snapshot.targets[connection.target].application_name] =
            ReachOf(collected.reachability[i], j);
      }
    }
    return verdicts;
  }

  const testing::TemporaryDirectory directory_;
};

TEST_F(AtExit, TheLostAreToldFromTheReachable) {
  ExitExaminer examiner(ledgers(), kRun, {});
  const Subprocess in_vain(WaitsInVain());
  Subprocess ender(Ender("10s"));
  ASSERT_EQ(examiner.WaitForHeld(std::chrono::seconds(10)), 1);
  EXPECT_EQ(ender.Wait().exit_code, 7) << ender.Wait().err;
  EXPECT_FALSE(in_vain.HasEnded()) << "it was not let go";
  for (const std::string& sentence : examiner.incomplete()) ADD_FAILURE() << sentence;

  const auto verdicts = Verdicts(examiner);
  const auto reach = [&](const std::string& name) {
    return verdicts.contains(name) ? verdicts.at(name) : ConnectionReach();
  };
  EXPECT_EQ(reach("lost").reach, Reach::kLostProven) << reach("lost").where;
  EXPECT_EQ(reach("global").reach, Reach::kHeld);
  EXPECT_EQ(reach("global").where, "global ender::global (ender)");
  EXPECT_EQ(reach("vector").reach, Reach::kHeld) << "its storage is freed only later";
  EXPECT_EQ(reach("late_pool").reach, Reach::kHeld) << reach("late_pool").missing;
  EXPECT_FALSE(verdicts.contains("finished")) << "its object's destructor has finished it";
}

TEST_F(AtExit, WithoutAnExaminerItWaitsNoLongerThanItMay) {
  const Subprocess longer(WaitsInVain("5s"));
  const auto begin = steady_clock::now();
  const testing::Outcome outcome = RunToEnd(Ender("300ms"));
  EXPECT_GE(steady_clock::now() - begin, milliseconds(300));
  EXPECT_EQ(outcome.exit_code, 7) << outcome.err;
  EXPECT_FALSE(longer.HasEnded());
  // What did not wait cannot be examined any more.
  ExitExaminer examiner(ledgers(), kRun, {});
  EXPECT_EQ(examiner.WaitForHeld(milliseconds(20)), 0);
  for (const auto& [name, reach] : Verdicts(examiner)) {
    EXPECT_EQ(reach.reach, Reach::kNotLookedAt) << name;
  }
}

TEST_F(AtExit, WithoutOpenConnectionsItDoesNotWait) {
  const Subprocess in_vain(WaitsInVain());
  const testing::Outcome outcome = RunToEnd(Ender("10s", "none"));
  EXPECT_EQ(outcome.exit_code, 7) << outcome.err;
  EXPECT_FALSE(in_vain.HasEnded());
}

TEST_F(AtExit, NobodyWaitsWithoutBeingTold) {
  for (const char* hold : {"", "0s", "11s", "soon"}) {
    const Subprocess in_vain(WaitsInVain());
    const testing::Outcome outcome = RunToEnd(Ender(hold));
    EXPECT_EQ(outcome.exit_code, 7) << hold << ": " << outcome.err;
    EXPECT_FALSE(in_vain.HasEnded()) << hold;
  }
}

TEST_F(AtExit, AnotherRunsProcessesAreLeftAlone) {
  ExitExaminer examiner(ledgers(), kRun + 1, {});
  Subprocess ender(Ender("300ms"));
  EXPECT_EQ(examiner.WaitForHeld(milliseconds(600)), 0);
  EXPECT_EQ(ender.Wait().exit_code, 7);
}

// The verdicts need time that the process does not give.
TEST_F(AtExit, WithoutTimeItIsLetGoAndItIsSaid) {
  ScanOptions options;
  options.time = std::chrono::nanoseconds(0);
  ExitExaminer examiner(ledgers(), kRun, options);
  Subprocess ender(Ender("10s"));
  ASSERT_EQ(examiner.WaitForHeld(std::chrono::seconds(10)), 1);
  EXPECT_EQ(ender.Wait().exit_code, 7);
  ASSERT_FALSE(examiner.incomplete().empty());
  EXPECT_NE(examiner.incomplete()[0].find("time"), std::string::npos) << examiner.incomplete()[0];
  for (const auto& [name, reach] : Verdicts(examiner)) EXPECT_FALSE(IsLost(reach)) << name;
}

TEST_F(AtExit, AProcessMayBeKilledWhileItWaits) {
  ExitExaminer examiner(ledgers(), kRun, {});
  for (int i = 0; i < 10; ++i) {
    Subprocess ender(Ender("10s"));
    std::this_thread::sleep_for(milliseconds(10 * i));
    ender.Signal(SIGKILL);
    examiner.WaitForHeld(milliseconds(20));
    ender.Wait();
  }
  for (const auto& [name, reach] : Verdicts(examiner)) {
    EXPECT_TRUE(name == "lost" || !IsLost(reach)) << name;
  }
}

}  // namespace
}  // namespace pqleash::reporter
