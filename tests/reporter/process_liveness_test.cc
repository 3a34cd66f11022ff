// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/process_liveness.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "reporter/snapshot/proc_files.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

TEST(StartTicksTest, Table) {
  const std::string fields = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 5000 20 21";
  struct Case {
    std::string stat;
    std::optional<uint64_t> ticks;
  };
  const Case cases[] = {
      {"7 (cat) " + fields, 5000},
      {"7 (a) b) S 1 2 (x) " + fields, 5000},
      {"7 ((sd-pam)) " + fields, 5000},
      {"7 (cat) S 1 2", std::nullopt},
      {"7 cat", std::nullopt},
      {"", std::nullopt},
      {")", std::nullopt},
  };
  for (const Case& test : cases) EXPECT_EQ(StartTicks(test.stat), test.ticks) << test.stat;
}

TEST(NamespaceInodeTest, Table) {
  EXPECT_EQ(NamespaceInode("pid:[4026531836]"), 4026531836u);
  for (const char* link : {"", "pid:[]", "pid:[x]", "pid:4026531836", "pid:[4026531836"}) {
    EXPECT_EQ(NamespaceInode(link), std::nullopt) << link;
  }
}

// A /proc of our own making.
class ProcessLivenessTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kOurNamespace = 4026531836;  // the first of a machine
  static constexpr uint64_t kContainer = 4026532000;

  ProcessLivenessTest() { Describe("boot-a", kOurNamespace); }

  void Describe(const std::string& boot_id, uint64_t pid_namespace) {
    std::filesystem::remove_all(proc_.Path("self"));
    std::filesystem::create_directories(proc_.Path("sys/kernel/random"));
    WriteFile(proc_.Path("sys/kernel/random/boot_id"), boot_id + "\n");
    std::filesystem::create_directories(proc_.Path("self/ns"));
    Link("self/ns/pid", pid_namespace);
  }

  void AddProcess(int pid, uint64_t start_ticks, uint64_t pid_namespace, int inner_pid,
                  char state = 'S', int threads = 1) {
    const std::string name = std::to_string(pid);
    std::filesystem::create_directories(proc_.Path(name + "/ns"));
    Link(name + "/ns/pid", pid_namespace);
    std::string stat = name + " (a b) " + state;
    for (int field = 4; field <= 21; ++field) stat += " 0";
    WriteFile(proc_.Path(name + "/stat"), stat + " " + std::to_string(start_ticks) + " 0 0\n");
    std::string ids = name;
    if (inner_pid != pid) ids += "\t" + std::to_string(inner_pid);
    WriteFile(proc_.Path(name + "/status"), "Name:\ta b\nNSpid:\t" + ids + "\nNSpgid:\t1\n");
    for (int i = 0; i < threads; ++i) {
      std::filesystem::create_directories(proc_.Path(name + "/task/" + std::to_string(pid + i)));
    }
  }

  void SetOffsets(const std::string& process, const std::string& monotonic,
                  const std::string& boottime) {
    WriteFile(proc_.Path(process + "/timens_offsets"),
              "monotonic  " + monotonic + "\nboottime   " + boottime + "\n");
  }

  Liveness Look(const Process& process, bool newest_image = true) {
    return LivenessProbe(proc_.path()).Look(process, newest_image);
  }

  static Process Writer() {
    Process process;
    process.pid = 7;
    process.start_ticks = 5000;
    process.boot_id = "boot-a";
    process.pid_namespace = kOurNamespace;
    return process;
  }

  void Link(const std::string& name, uint64_t inode) {
    std::filesystem::create_symlink("pid:[" + std::to_string(inode) + "]", proc_.Path(name));
  }

  ScratchDirectory proc_;
};

TEST_F(ProcessLivenessTest, SameStartTimeLives) {
  AddProcess(7, 5000, kOurNamespace, 7);
  const Liveness liveness = Look(Writer());
  EXPECT_EQ(liveness.life, Life::kLive);
  EXPECT_EQ(liveness.visible_pid, 7);
}

TEST_F(ProcessLivenessTest, AnotherStartTimeIsAnotherProcess) {
  AddProcess(7, 5001, kOurNamespace, 7);
  EXPECT_EQ(Look(Writer()).life, Life::kKilled);
}

TEST_F(ProcessLivenessTest, HowItEnded) {
  Process process = Writer();
  EXPECT_EQ(Look(process).life, Life::kKilled);
  process.phase = ProcessPhase::kEnding;
  EXPECT_EQ(Look(process).life, Life::kEnded);
  process.phase = ProcessPhase::kEnded;
  EXPECT_EQ(Look(process).life, Life::kEnded);
}

TEST_F(ProcessLivenessTest, AnEndingProcessStillLives) {
  AddProcess(7, 5000, kOurNamespace, 7);
  Process process = Writer();
  process.phase = ProcessPhase::kEnding;
  EXPECT_EQ(Look(process).life, Life::kLive);
}

TEST_F(ProcessLivenessTest, ZombieIsDeadUnlessOtherThreadsRun) {
  AddProcess(7, 5000, kOurNamespace, 7, 'Z');
  EXPECT_EQ(Look(Writer()).life, Life::kKilled);
  AddProcess(8, 5000, kOurNamespace, 8, 'Z', /*threads=*/2);
  Process process = Writer();
  process.pid = 8;
  EXPECT_EQ(Look(process).life, Life::kLive);
}

TEST_F(ProcessLivenessTest, AnotherBootIsAnotherWorld) {
  AddProcess(7, 5000, kOurNamespace, 7);
  Process process = Writer();
  process.boot_id = "boot-b";
  EXPECT_EQ(Look(process).life, Life::kKilled);
}

TEST_F(ProcessLivenessTest, OlderImageWasReplaced) {
  AddProcess(7, 5000, kOurNamespace, 7);
  EXPECT_EQ(Look(Writer(), /*newest_image=*/false).life, Life::kReplaced);
}

TEST_F(ProcessLivenessTest, WhatIsNotKnownCannotBeJudged) {
  AddProcess(7, 5000, kOurNamespace, 7);
  for (void (*forget)(Process*) :
       {+[](Process* p) { p->boot_id.clear(); }, +[](Process* p) { p->start_ticks = 0; },
        +[](Process* p) { p->pid_namespace = 0; }, +[](Process* p) { p->pid = 0; },
        +[](Process* p) { p->pid = -1; }}) {
    Process process = Writer();
    forget(&process);
    EXPECT_EQ(Look(process).life, Life::kUnknown);
  }
}

TEST_F(ProcessLivenessTest, ContainerIsFoundByItsNamespace) {
  AddProcess(7, 5000, kOurNamespace, 7);
  AddProcess(901, 5000, kContainer, 8);
  AddProcess(900, 5000, kContainer, 7);
  Process process = Writer();
  process.pid_namespace = kContainer;
  const Liveness liveness = Look(process);
  EXPECT_EQ(liveness.life, Life::kLive);
  EXPECT_EQ(liveness.visible_pid, 900);
  process.start_ticks = 1;
  EXPECT_EQ(Look(process).life, Life::kKilled);
}

TEST_F(ProcessLivenessTest, FromInsideAContainerOthersCannotBeSeen) {
  Describe("boot-a", kContainer);
  AddProcess(7, 5000, kContainer, 7);
  EXPECT_EQ(Look(Writer()).life, Life::kUnknown);
}

TEST_F(ProcessLivenessTest, ByNameAlone) {
  AddProcess(7, 5000, kOurNamespace, 7);
  AddProcess(900, 6000, kContainer, 12);
  const LivenessProbe probe(proc_.path());
  EXPECT_EQ(probe.LookForName(7, 5000), Life::kLive);
  EXPECT_EQ(probe.LookForName(12, 6000), Life::kLive);
  EXPECT_EQ(probe.LookForName(7, 5001), Life::kKilled);
  EXPECT_EQ(probe.LookForName(99, 5000), Life::kKilled);
}

// It read its own start time by its own clocks, a day ahead of ours.
TEST_F(ProcessLivenessTest, LivesInAnotherTimeNamespace) {
  AddProcess(7, 5000, kOurNamespace, 7);
  SetOffsets("7", "86400 0", "86400 500000000");
  Process process = Writer();
  const auto ticks = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  process.start_ticks = 5000 + 86400 * ticks + ticks / 2;
  for (const int apart : {-1, 0, 1}) {
    Process one = process;
    one.start_ticks += static_cast<uint64_t>(apart);
    const Liveness liveness = Look(one);
    EXPECT_EQ(liveness.life, Life::kLive) << apart;
    EXPECT_EQ(liveness.monotonic_ahead_ns, 86'400'000'000'000);
  }
  process.start_ticks += 2;
  EXPECT_EQ(Look(process).life, Life::kKilled);
}

TEST_F(ProcessLivenessTest, SharesOurTimeNamespace) {
  AddProcess(7, 5000, kOurNamespace, 7);
  SetOffsets("7", "-100 0", "-100 0");
  SetOffsets("self", "-100 0", "-100 0");
  const Liveness liveness = Look(Writer());
  EXPECT_EQ(liveness.life, Life::kLive);
  EXPECT_EQ(liveness.monotonic_ahead_ns, 0);
  SetOffsets("7", "x y", "9999999999999999999 0");
  EXPECT_EQ(Look(Writer()).life, Life::kLive);
}

}  // namespace
}  // namespace pqleash::reporter
