// SPDX-License-Identifier: Apache-2.0
//
// Do no harm: each hazard program ends, speaks and leaves behind the same, bare and preloaded, and
// what the ledgers counted is what it did. Three times: against a stand-in that calls itself
// through the PLT, against one that does not, and, under scripts/with-postgres, against the real
// libpq and server.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/preload/hazards.h"
#include "tests/preload/ledger_totals.h"
#include "tests/preload/trial.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

Outcome RunBare(const Hazard& hazard, Libpq libpq) {
  const Trial trial(libpq);
  Command command = trial.Bare(hazard.command);
  SetEnvironment(hazard, trial, &command);
  return RunToEnd(command);
}

void ExpectTotals(const Expected& expected, const LedgerTotals& totals) {
  for (const std::string& fault : totals.faults) ADD_FAILURE() << fault;
  if (expected.opened == kNoLedger) {
    EXPECT_EQ(totals.ledgers, 0);
    return;
  }
  const auto expect = [](int wanted, uint64_t seen, const char* what) {
    if (wanted == kAny) return;
    EXPECT_EQ(seen, static_cast<uint64_t>(wanted)) << what << " according to the ledgers";
  };
  if (expected.opened != kAny) {
    EXPECT_GT(totals.ledgers, 0);
  }
  expect(expected.opened, totals.opened, "opened");
  expect(expected.closed, totals.closed, "closed");
  expect(expected.failed, totals.failed, "failed");
  expect(expected.open, totals.open, "open");
  expect(expected.unrecorded, totals.unrecorded, "unrecorded");
  if (expected.open == kAny) {
    EXPECT_EQ(totals.open, totals.opened - totals.closed);
  }
}

// Moves what process `pid` has written into the default directory since `begun` to `ledgers`: no
// test leaves anything there. An earlier process may have had the same number.
void MoveFromDefaultDirectory(pid_t pid, std::filesystem::file_time_type begun,
                              const std::string& ledgers) {
  const std::filesystem::path directory = "/dev/shm/pqleash-" + std::to_string(geteuid());
  if (!std::filesystem::exists(directory)) return;
  const std::string prefix = std::to_string(pid) + "-";
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    if (entry.last_write_time() < begun) continue;
    if (mkdir(ledgers.c_str(), 0700) != 0 && errno != EEXIST) return;
    const auto copy = std::filesystem::path(ledgers) / entry.path().filename();
    std::filesystem::copy_file(entry.path(), copy);
    std::filesystem::remove(entry.path());
  }
  // If it was there for this test only: with nothing in it but the board of all processes.
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    left.push_back(entry.path());
  if (left.size() == 1 && left[0].extension() == ".board") std::filesystem::remove(left[0]);
  rmdir(directory.c_str());
}

// What `pqleash report` reads from the same files.
void ExpectReport(const std::string& ledgers, const LedgerTotals& totals) {
  if (totals.ledgers == 0) return;
  const Outcome report =
      RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "report", "--all", "--format", "json"},
                .environment = {{"PQLEASH_DIR", ledgers}}});
  ASSERT_EQ(report.exit_code, 0) << HowItEnded(report) << '\n' << report.err;
  const auto document = nlohmann::json::parse(report.out, nullptr, false);
  ASSERT_FALSE(document.is_discarded()) << report.out;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
  for (const auto& process : document["processes"]) {
    opened += process["opened_total"].get<uint64_t>();
    closed += process["closed_total"].get<uint64_t>();
    failed += process["failed_total"].get<uint64_t>();
  }
  EXPECT_EQ(document["processes"].size(), static_cast<size_t>(totals.ledgers));
  EXPECT_EQ(opened, totals.opened) << "according to pqleash report";
  EXPECT_EQ(closed, totals.closed) << "according to pqleash report";
  EXPECT_EQ(failed, totals.failed) << "according to pqleash report";
}

void ExpectSame(const Outcome& bare, const Outcome& preloaded, bool same_err) {
  EXPECT_FALSE(bare.timed_out);
  EXPECT_EQ(HowItEnded(preloaded), HowItEnded(bare)) << preloaded.err;
  EXPECT_EQ(preloaded.out, bare.out);
  if (same_err) {
    EXPECT_EQ(preloaded.err, bare.err);
  }
}

class Preload : public ::testing::TestWithParam<Hazard> {
 protected:
  void BehavesAsBare(Libpq libpq) {
    const Hazard& hazard = GetParam();
    if (hazard.root && geteuid() != 0) GTEST_SKIP() << hazard.name << " can only be tried as root";
    const Outcome bare = RunBare(hazard, libpq);
    const Trial trial(libpq);
    Command command = trial.Preloaded(hazard.command);
    SetEnvironment(hazard, trial, &command);
    // Files have the time of the kernel's last tick.
    const auto begun =
        std::filesystem::file_time_type::clock::now() - std::chrono::milliseconds(20);
    const Outcome preloaded = RunToEnd(command);
    ExpectSame(bare, preloaded, hazard.same_err);
    const bool elsewhere = !std::filesystem::exists(trial.ledgers());
    if (elsewhere) MoveFromDefaultDirectory(preloaded.pid, begun, trial.ledgers());
    const LedgerTotals totals = ReadLedgerTotals(trial.ledgers());
    if (totals.ledgers > 0) {
      EXPECT_EQ(elsewhere, hazard.default_directory) << "the ledger was not where it belongs";
    }
    ExpectTotals(hazard.expected, totals);
    ExpectReport(trial.ledgers(), totals);
    EXPECT_TRUE(std::filesystem::is_empty(trial.path() / "target")) << "a link was followed";
    EXPECT_TRUE(std::filesystem::is_empty(trial.path() / "open"))
        << "a directory that is open to others was used";
  }
};

std::string Name(const ::testing::TestParamInfo<Hazard>& info) { return info.param.name; }

class StandinPreload : public Preload {};
TEST_P(StandinPreload, BehavesAsBare) { BehavesAsBare(Libpq::kStandin); }
INSTANTIATE_TEST_SUITE_P(Standin, StandinPreload, ::testing::ValuesIn(StandinHazards()), Name);

class SymbolicPreload : public Preload {};
TEST_P(SymbolicPreload, BehavesAsBare) { BehavesAsBare(Libpq::kSymbolic); }
INSTANTIATE_TEST_SUITE_P(Symbolic, SymbolicPreload, ::testing::ValuesIn(StandinHazards()), Name);

class PostgresPreload : public Preload {};
TEST_P(PostgresPreload, BehavesAsBare) {
  ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
  BehavesAsBare(Libpq::kPostgres);
}
INSTANTIATE_TEST_SUITE_P(Postgres, PostgresPreload, ::testing::ValuesIn(PostgresHazards()), Name);

// --- Asynchronous connects that have to wait
// ------------------------------------------------------

struct SecondStart {
  const char* name;
  Libpq libpq;
  const char* fallback;
  const char* out;
};
class AsynchronousAtALimit : public ::testing::TestWithParam<SecondStart> {};

// A libpq that calls itself past us cannot be made to wait: what then is the configuration's to
// say.
TEST_P(AsynchronousAtALimit, IsParkedOrTreatedAsConfigured) {
  const Trial trial(GetParam().libpq);
  const std::string file = trial.path() / "caps.toml";
  std::ofstream(file) << "[[cap]]\nname = \"one\"\nlimit = 1\non_limit = \"wait\"\n"
                      << "async_fallback = \"" << GetParam().fallback << "\"\n";
  Command command = trial.Preloaded({"second_start"});
  command.environment["PQLEASH_CONFIG"] = file;
  const Outcome outcome = RunToEnd(command);
  EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome) << '\n' << outcome.err;
  EXPECT_EQ(outcome.out, GetParam().out);
}
INSTANTIATE_TEST_SUITE_P(
    Standin, AsynchronousAtALimit,
    ::testing::Values(SecondStart{"Parked", Libpq::kStandin, "admit",
                                  "first: connected\nsecond: waits\nthen: connected\n"},
                      SecondStart{"Rejected", Libpq::kSymbolic, "reject",
                                  "first: connected\nsecond: refused\nthen: refused\n"},
                      SecondStart{"Admitted", Libpq::kSymbolic, "admit",
                                  "first: connected\nsecond: connected\nthen: connected\n"}),
    [](const ::testing::TestParamInfo<SecondStart>& test) { return std::string(test.param.name); });

// --- Full file systems ---------------------------------------------------------------------------

// A mounted tmpfs of a given size; not mounted where that is not allowed.
class SmallFileSystem {
 public:
  SmallFileSystem(const std::string& path, int kilobytes) : path_(path) {
    std::filesystem::create_directory(path);
    const std::string options = "mode=0700,size=" + std::to_string(kilobytes) + "k";
    mounted_ = mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) == 0;
  }
  ~SmallFileSystem() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;

  bool mounted() const { return mounted_; }
  // Leaves nothing for others.
  void Fill() const {
    std::ofstream file(path_ + "/filling", std::ios::binary);
    const std::string page(4096, 'f');
    while (file << page << std::flush) {
    }
  }

 private:
  const std::string path_;
  bool mounted_ = false;
};

class FullDirectory : public ::testing::TestWithParam<int> {};

// A store into a page that the file system has no room for would end the host with SIGBUS.
TEST_P(FullDirectory, HostGoesOn) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"basic"}, {"many_connections", "3000"}, {"fork", "connect"}}) {
    const Outcome bare = RunToEnd(Trial(Libpq::kStandin).Bare(words));
    const Trial trial(Libpq::kStandin);
    const SmallFileSystem file_system(trial.ledgers(), GetParam());
    if (!file_system.mounted()) GTEST_SKIP() << "a tmpfs can only be mounted by root";
    const Outcome preloaded = RunToEnd(trial.Preloaded(words));
    ExpectSame(bare, preloaded, true);
    const Outcome report =
        RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "report", "--all", "--format", "json"},
                  .environment = {{"PQLEASH_DIR", trial.ledgers()}}});
    EXPECT_EQ(report.exit_code, 0) << HowItEnded(report) << '\n' << report.err;
  }
}
INSTANTIATE_TEST_SUITE_P(Kilobytes, FullDirectory, ::testing::Values(4, 8, 16, 64, 128, 256),
                         ::testing::PrintToStringParamName());

TEST(DirectoryWithoutAnyRoom, HostGoesOn) {
  const Outcome bare = RunToEnd(Trial(Libpq::kStandin).Bare({"basic"}));
  const Trial trial(Libpq::kStandin);
  const SmallFileSystem file_system(trial.ledgers(), 16);
  if (!file_system.mounted()) GTEST_SKIP() << "a tmpfs can only be mounted by root";
  file_system.Fill();
  ExpectSame(bare, RunToEnd(trial.Preloaded({"basic"})), true);
}

// --- Sudden death --------------------------------------------------------------------------------

// At any moment, not only between two calls.
TEST(SuddenDeath, LeavesAReadableLedger) {
  std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<int> microseconds(0, 20'000);
  for (int round = 0; round < 20; ++round) {
    const Trial trial(Libpq::kStandin);
    Subprocess process(trial.Preloaded({"churn"}));
    ASSERT_TRUE(process.WaitForOutput("churning"));
    // Not a wait for anything: the moment of death is what is tried.
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds(random)));
    process.Signal(SIGKILL);
    EXPECT_EQ(process.Wait().signal, SIGKILL);
    const LedgerTotals totals = ReadLedgerTotals(trial.ledgers());
    EXPECT_EQ(totals.ledgers, 1);
    EXPECT_GT(totals.opened, 0u);
    ExpectReport(trial.ledgers(), totals);
  }
}

// The files that a run may leave: its own, and none elsewhere.
TEST(NeverConnects, CreatesNothingAnywhere) {
  const Trial trial(Libpq::kStandin);
  const Outcome outcome = RunToEnd(trial.Preloaded({"never_connects"}));
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_EQ(outcome.out, "libstdc++ 0, libunwind 0, libpq.so 0, threads 1\n");
  EXPECT_FALSE(std::filesystem::exists(trial.ledgers()));
}

}  // namespace
}  // namespace pqleash::testing
