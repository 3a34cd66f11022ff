// SPDX-License-Identifier: Apache-2.0
//
// `pqleash run`: the program runs as it would without, whatever is wrong with the library.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"
#include "tests/reporter/subprocess.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;

class RunTest : public ::testing::Test {
 protected:
  // `options` and then the command.
  std::vector<std::string> Command(std::vector<std::string> options,
                                   const std::vector<std::string>& command) {
    std::vector<std::string> all = {PQLEASH_TOOL, "run", "--dir", directory_.path()};
    all.insert(all.end(), options.begin(), options.end());
    all.emplace_back("--");
    all.insert(all.end(), command.begin(), command.end());
    return all;
  }
  Outcome RunShell(const std::string& script, std::vector<std::string> options = {}) {
    return Execute(Command(std::move(options), {"sh", "-c", script}));
  }

  ScratchDirectory directory_;
};

TEST_F(RunTest, PassesTheExitCodeThrough) {
  for (const int code : {0, 1, 2, 3, 42, 126, 127, 255}) {
    EXPECT_EQ(RunShell("exit " + std::to_string(code)).exit_code, code);
  }
}

TEST_F(RunTest, EndsBySameSignal) {
  for (const int signal : {SIGTERM, SIGKILL, SIGSEGV, SIGINT, SIGUSR1}) {
    EXPECT_EQ(RunShell("kill -" + std::to_string(signal) + " $$").signal, signal);
  }
}

TEST_F(RunTest, CommandThatCannotBeRun) {
  const Outcome missing = Execute(Command({}, {"no-such-command-here"}));
  EXPECT_EQ(missing.exit_code, 127);
  EXPECT_THAT(missing.err,
              HasSubstr("pqleash: run: no-such-command-here cannot be run: No such file or "
                        "directory\n"));
  const Outcome directory = Execute(Command({}, {"/"}));
  EXPECT_EQ(directory.exit_code, 126);
  EXPECT_THAT(directory.err, HasSubstr("pqleash: run: / cannot be run: "));
}

TEST_F(RunTest, ArgumentsArePassedAsTheyAre) {
  const Outcome outcome =
      Execute(Command({}, {"printf", "<%s>", "", "a b", "--format", "--", "-x", "*"}));
  EXPECT_EQ(outcome.out, "<><a b><--format><--><-x><*>");
}

TEST_F(RunTest, SetsTheVariables) {
  const std::string library = directory_.Path("libpqleash.so");
  // Something that can be preloaded into anything.
  std::filesystem::copy("/usr/lib/x86_64-linux-gnu/libdl.so.2", library,
                        std::filesystem::copy_options::skip_existing);
  const Outcome outcome = Execute(
      Command({"--service", "orders", "--library", library},
              {"sh", "-c", "echo \"$LD_PRELOAD|$PQLEASH_DIR|$PQLEASH_SERVICE|$PQLEASH_RUN\""}),
      {{"LD_PRELOAD", library}, {"ASAN_OPTIONS", "verify_asan_link_order=0"}});
  EXPECT_THAT(outcome.out, testing::MatchesRegex("\\$ORIGIN(/\\.\\.)+" + library + "\\|" +
                                                 directory_.path() + "\\|orders\\|[0-9a-f]{16}\n"));
}

TEST_F(RunTest, RunsWithoutTheLibrary) {
  const std::string library = directory_.Path("none.so");
  const Outcome outcome = RunShell("echo \"<$LD_PRELOAD>\"; exit 5", {"--library", library});
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_EQ(outcome.out, "<>\n");
  EXPECT_EQ(outcome.err, "pqleash: run: library " + library +
                             " cannot be used: No such file or directory; nothing will be "
                             "recorded\n");
}

TEST_F(RunTest, SaysWhenTheDirectoryCannotBeUsed) {
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  const Outcome outcome = RunShell("exit 5", {"--library", PQLEASH_TOOL});
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("has mode 0755, expected 0700"));
}

TEST_F(RunTest, ReportsOnTheRunAlone) {
  ExampleLedger().WriteTo(directory_.Path("4711-5000.ledger"));
  const Outcome none = RunShell("exit 5", {"--report-at-exit", "--library", "/none"});
  EXPECT_EQ(none.exit_code, 5);
  EXPECT_EQ(none.out, "");
  EXPECT_THAT(none.err, HasSubstr("0 processes, 0 open connections"));

  // A program that leaves a ledger with its run id, in the place of the library.
  const std::string ledger = directory_.Path("4712-5000.ledger");
  LedgerBuilder builder = ExampleLedger();
  builder.header.run_id = 0x1111111111111111;
  builder.WriteTo(directory_.Path("template"));
  const size_t offset = offsetof(ledger::Header, run_id);
  const std::string file = directory_.Path("report.txt");
  const std::string script =
      "cp " + directory_.Path("template") + " " + ledger +
      " && printf \"$(echo $PQLEASH_RUN | fold -w2 | tac | while read -r byte; do"
      " printf '\\\\%03o' 0x$byte; done)\" | dd of=" +
      ledger + " bs=1 conv=notrunc status=none seek=" + std::to_string(offset);
  const Outcome outcome = RunShell(script, {"--report-at-exit=" + file, "--library", "/none"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(ReadWholeFile(file), HasSubstr("1 process"));
  EXPECT_THAT(ReadWholeFile(file), HasSubstr("orders"));
}

TEST_F(RunTest, ForwardsSignals) {
  for (const auto& [signal, name] :
       {std::pair{SIGTERM, "TERM"}, std::pair{SIGINT, "INT"}, std::pair{SIGHUP, "HUP"},
        std::pair{SIGQUIT, "QUIT"}, std::pair{SIGUSR1, "USR1"}, std::pair{SIGUSR2, "USR2"},
        std::pair{SIGWINCH, "WINCH"}}) {
    Subprocess process(
        Command({"--library", "/none"}, {"sh", "-c",
                                         std::string("trap 'echo got ") + name + "; exit 7' " +
                                             name + "; echo ready; while :; do sleep 0.01; done"}));
    ASSERT_TRUE(process.WaitForOutput("ready"));
    kill(process.pid(), signal);
    const Outcome outcome = process.Wait();
    EXPECT_EQ(outcome.exit_code, 7) << name;
    EXPECT_EQ(outcome.out, std::string("ready\ngot ") + name + "\n");
  }
}

TEST_F(RunTest, SignalMasksAndActionsAreTheProgramsOwn) {
  const auto status_lines = [&](bool under) {
    const std::vector<std::string> grep = {"grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"};
    return Execute(under ? Command({"--library", "/none"}, grep) : grep).out;
  };
  EXPECT_EQ(status_lines(true), status_lines(false));
}

TEST_F(RunTest, IgnoredChildSignalDoesNotLoseTheExitCode) {
  // A parent that ignores SIGCHLD hands that down through exec.
  const Outcome outcome = Execute({"sh", "-c",
                                   "trap '' CHLD; exec " + std::string(PQLEASH_TOOL) +
                                       " run --library /none -- sh -c 'exit 9'"});
  EXPECT_EQ(outcome.exit_code, 9);
}

TEST_F(RunTest, OutputAndDescriptorsAreTheProgramsOwn) {
  const Outcome outcome = RunShell("ls /proc/self/fd | tr '\\n' ' '", {"--library", "/none"});
  const Outcome bare = Execute({"sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"});
  EXPECT_EQ(outcome.out, bare.out);
}

}  // namespace
}  // namespace pqleash::reporter
