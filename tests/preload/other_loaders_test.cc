// SPDX-License-Identifier: Apache-2.0
//
// LD_PRELOAD reaches every program of a process tree. Those that the library cannot be loaded into
// (of musl, of 32 bits, static) start without a word, and the others are recorded.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/preload/ledger_totals.h"
#include "tests/preload/trial.h"
#include "tests/support/subprocess.h"

namespace pqleash::testing {
namespace {

using Words = std::vector<std::string>;

struct OtherLoader {
  const char* name;
  const char* program;  // of tests/preload/programs; not there where its compiler or libc is not
};

void PrintTo(const OtherLoader& loader, std::ostream* stream) { *stream << loader.name; }

constexpr OtherLoader kOtherLoaders[] = {{"Musl", "other_loader_musl"},
                                         {"MuslStatic", "other_loader_musl_static"},
                                         {"Bits32", "other_loader_32"},
                                         {"Bits32Static", "other_loader_32_static"}};

// As it stands in the drop-ins.
std::string ByHand() { return std::string(PQLEASH_TEST_BUILD) + "/lib/pqleash/$LIB/libpqleash.so"; }

// False: the kernel knows no such programs, as in virtual machines without emulation of 32 bits. A
// shell would take the program for a script.
bool KernelRuns(const std::string& path) {
  constexpr int kNoSuchFormat = 99;
  const pid_t child = fork();
  if (child == 0) {
    execl(path.c_str(), path.c_str(), nullptr);
    _exit(errno == ENOEXEC ? kNoSuchFormat : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return !WIFEXITED(status) || WEXITSTATUS(status) != kNoSuchFormat;
}

class OtherLoaders : public ::testing::TestWithParam<OtherLoader> {
 protected:
  void SetUp() override {
    const std::string path = std::string(PQLEASH_TEST_PROGRAMS) + "/" + GetParam().program;
    if (access(path.c_str(), X_OK) != 0)
      GTEST_SKIP() << "musl-tools or libc6-i386 is not installed";
    if (!KernelRuns(path)) GTEST_SKIP() << "this kernel does not run programs of this kind";
    bare_ = RunToEnd(trial_.Bare({GetParam().program}));
    ASSERT_EQ(bare_.exit_code, 7) << HowItEnded(bare_) << bare_.err;
    ASSERT_EQ(bare_.out, "started\n");
  }

  void ExpectAsBare(const Outcome& outcome) {
    EXPECT_EQ(HowItEnded(outcome), HowItEnded(bare_));
    EXPECT_EQ(outcome.out, bare_.out);
    EXPECT_EQ(outcome.err, bare_.err);
  }

  // `pqleash run` with these options.
  Outcome UnderRun(Words options) {
    Command command = trial_.Bare({GetParam().program});
    options.insert(options.begin(), {PQLEASH_TEST_TOOL, "run", "--dir", trial_.ledgers()});
    options.emplace_back("--");
    command.arguments.insert(command.arguments.begin(), options.begin(), options.end());
    return RunToEnd(command);
  }

  const Trial trial_{Libpq::kStandin};
  Outcome bare_;
};

TEST_P(OtherLoaders, StartsUnderRun) { ExpectAsBare(UnderRun({})); }

TEST_P(OtherLoaders, StartsUnderTheVariableSetByHand) {
  Command command = trial_.Bare({GetParam().program});
  command.environment["LD_PRELOAD"] = ByHand();
  ExpectAsBare(RunToEnd(command));
}

// A library that lies alone. glibc's linker says in one line of stderr that the word size is
// another.
TEST_P(OtherLoaders, StartsUnderALibraryThatLiesAlone) {
  const std::string library = trial_.path() / "libpqleash.so";
  std::filesystem::copy_file(PQLEASH_TEST_LIBRARY, library);
  const Outcome outcome = UnderRun({"--library", library});
  EXPECT_EQ(HowItEnded(outcome), HowItEnded(bare_));
  EXPECT_EQ(outcome.out, bare_.out);
  if (std::string(GetParam().program) != "other_loader_32") {
    EXPECT_EQ(outcome.err, "");
  }
}

INSTANTIATE_TEST_SUITE_P(All, OtherLoaders, ::testing::ValuesIn(kOtherLoaders),
                         [](const ::testing::TestParamInfo<OtherLoader>& test) {
                           return std::string(test.param.name);
                         });

struct Path {
  const char* name;
  std::string value;
};

void PrintTo(const Path& path, std::ostream* stream) { *stream << path.name; }

class PreloadPath : public ::testing::TestWithParam<Path> {};

TEST_P(PreloadPath, RecordsAProgramThatItCanBeLoadedInto) {
  const Trial trial(Libpq::kStandin);
  Command command = trial.Preloaded({"basic"});
  command.environment["LD_PRELOAD"] = GetParam().value;
  const Outcome outcome = RunToEnd(command);
  EXPECT_EQ(outcome.exit_code, 5) << HowItEnded(outcome);  // as bare
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(ReadLedgerTotals(trial.ledgers()).ledgers, 1);
}

INSTANTIATE_TEST_SUITE_P(
    All, PreloadPath,
    ::testing::Values(Path{"OfTheDirectory", ByHand()},
                      // `eval` and files of variables that a shell reads.
                      Path{"WithItsVariableReplacedByNothing",
                           std::string(PQLEASH_TEST_BUILD) + "/lib/pqleash//libpqleash.so"},
                      Path{"FromTheRoot",
                           "$ORIGIN/../../../../../../../../../../../../../../../.." +
                               std::string(PQLEASH_TEST_LIBRARY)}),
    [](const ::testing::TestParamInfo<Path>& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace pqleash::testing
