// SPDX-License-Identifier: Apache-2.0
//
// The library in hosts that gcc and clang have built with their sanitizers, before and behind the
// sanitizer's own runtime: they start, work and report what they report without us. A sanitizer
// puts functions of its own before libc's, which are ready at some time of the start.

#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/preload/ledger_totals.h"
#include "tests/preload/trial.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

struct Sanitizer {
  const char* name;
  const char* compiler;
  std::vector<std::string> flags;
  // The file of the runtime, where it is a shared one.
  std::string runtime = {};
  bool finds_leaks = false;
};

std::ostream& operator<<(std::ostream& stream, const Sanitizer& sanitizer) {
  return stream << sanitizer.name;
}

const std::vector<Sanitizer>& Sanitizers() {
  static const std::vector<Sanitizer> kSanitizers = {
      {"gcc_address", "gcc", {"-fsanitize=address"}, "libasan.so", true},
      {"gcc_leak", "gcc", {"-fsanitize=leak"}, "liblsan.so", true},
      {"gcc_thread", "gcc", {"-fsanitize=thread"}, "libtsan.so"},
      {"gcc_undefined", "gcc", {"-fsanitize=undefined"}, "libubsan.so"},
      {"clang_address", "clang", {"-fsanitize=address"}, "", true},
      {"clang_address_shared",
       "clang",
       {"-fsanitize=address", "-shared-libasan"},
       "libclang_rt.asan-x86_64.so",
       true},
      {"clang_leak", "clang", {"-fsanitize=leak"}, "", true},
      {"clang_thread", "clang", {"-fsanitize=thread"}},
      {"clang_undefined", "clang", {"-fsanitize=undefined"}},
      {"clang_memory", "clang", {"-fsanitize=memory"}},
  };
  return kSanitizers;
}

Outcome Compile(const Sanitizer& sanitizer, const std::vector<std::string>& flags,
                const std::string& program) {
  Command command{.arguments = {sanitizer.compiler, "-D_GNU_SOURCE", "-g", "-O1"}};
  command.arguments.insert(command.arguments.end(), flags.begin(), flags.end());
  command.arguments.insert(
      command.arguments.end(),
      {"-I" PQLEASH_TEST_LIBPQ_HEADERS, PQLEASH_TEST_SANITIZED_HOST, "-o", program,
       std::string(PQLEASH_TEST_STANDIN_DIR) + "/libpq.so.5", "-lpthread", "-ldl"});
  return RunToEnd(command);
}

// The whole path of a library that comes with the compiler; "": it has none.
std::string FileOf(const Sanitizer& sanitizer, const std::string& library) {
  const Outcome outcome =
      RunToEnd({.arguments = {sanitizer.compiler, "-print-file-name=" + library}});
  const std::string path = outcome.out.substr(0, outcome.out.find('\n'));
  return path.starts_with('/') && std::filesystem::exists(path) ? path : "";
}

// What differs from run to run, and our wrapper's own frame in the stack of a lost connection.
std::string Normal(const std::string& text) {
  std::istringstream stream(text);
  std::string normal;
  for (std::string line; std::getline(stream, line);) {
    if (line.find("libpqleash.so") != std::string::npos) continue;
    // A word that the sanitizer's own walk by frame pointers took for a frame: there by chance.
    if (line.find("(<unknown module>)") != std::string::npos) continue;
    line = std::regex_replace(line, std::regex("==[0-9]+=="), "==PID==");
    line = std::regex_replace(line, std::regex("^ +#[0-9]+ "), " # ");
    line = std::regex_replace(line, std::regex("0x[0-9a-f]+"), "ADDRESS");
    normal += line + '\n';
  }
  return normal;
}

class SanitizedHost : public ::testing::TestWithParam<Sanitizer> {
 protected:
  Command Bare(const Trial& trial, const std::string& mode) const {
    Command command = trial.Bare({"unused"});
    command.arguments = {program_};
    if (!mode.empty()) command.arguments.push_back(mode);
    // Of the runtime, which wants to come first; its path is not in the program.
    command.environment["ASAN_OPTIONS"] = "verify_asan_link_order=0";
    if (!runtime_.empty()) {
      *command.environment["LD_LIBRARY_PATH"] +=
          ":" + std::filesystem::path(runtime_).parent_path().string();
    }
    return command;
  }

  void IsTheSame(const Outcome& bare, const std::string& mode, const std::string& preload,
                 bool disabled) const {
    SCOPED_TRACE(mode + " " + preload + (disabled ? " disabled" : ""));
    const Trial trial(Libpq::kStandin);
    Command command = Bare(trial, mode);
    command.environment["LD_PRELOAD"] = preload;
    command.environment["PQLEASH_DIR"] = trial.ledgers();
    if (disabled) command.environment["PQLEASH_DISABLE"] = "1";
    const Outcome outcome = RunToEnd(command);
    EXPECT_EQ(HowItEnded(outcome), HowItEnded(bare));
    EXPECT_EQ(outcome.out, bare.out);
    EXPECT_EQ(Normal(outcome.err), Normal(bare.err));
    const LedgerTotals totals = ReadLedgerTotals(trial.ledgers());
    EXPECT_EQ(totals.opened, disabled ? 0u : mode == "lose" ? 4u : 3u);
  }

  void IsTheSameInEveryWay(const std::string& mode) const {
    const Outcome bare = RunToEnd(Bare(Trial(Libpq::kStandin), mode));
    ASSERT_NE(bare.out.find("end\n"), std::string::npos) << bare.err;
    if (!mode.empty()) {
      EXPECT_NE(bare.err.find("LeakSanitizer: detected memory leaks"), std::string::npos)
          << "nothing was found bare: " << bare.err;
    }
    for (const bool disabled : {false, true}) {
      IsTheSame(bare, mode, PQLEASH_TEST_LIBRARY, disabled);
      if (!runtime_.empty()) IsTheSame(bare, mode, runtime_ + ":" PQLEASH_TEST_LIBRARY, disabled);
    }
  }

  const TemporaryDirectory directory_;
  const std::string program_ = directory_ / "host";
  std::string runtime_;
};

TEST_P(SanitizedHost, IsTheSameInEveryWay) {
  const Sanitizer& sanitizer = GetParam();
  if (!Succeeds({sanitizer.compiler, "--version"}))
    GTEST_SKIP() << sanitizer.compiler << " is not installed";
  const Outcome plain = Compile(sanitizer, {}, program_);
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  if (Compile(sanitizer, sanitizer.flags, program_).exit_code != 0)
    GTEST_SKIP() << sanitizer.compiler << " has no runtime for " << sanitizer.flags[0];
  if (!sanitizer.runtime.empty()) {
    runtime_ = FileOf(sanitizer, sanitizer.runtime);
    if (runtime_.empty()) GTEST_SKIP() << sanitizer.runtime << " is not installed";
  }
  const Outcome bare = RunToEnd(Bare(Trial(Libpq::kStandin), ""));
  if (bare.exit_code != 0 || bare.out.find("end\n") == std::string::npos)
    GTEST_SKIP() << sanitizer.name << " does not run here, bare: " << bare.err;
  IsTheSameInEveryWay("");
  if (!sanitizer.finds_leaks) return;
  IsTheSameInEveryWay("leak");
  IsTheSameInEveryWay("lose");
}

INSTANTIATE_TEST_SUITE_P(Compilers, SanitizedHost, ::testing::ValuesIn(Sanitizers()),
                         [](const ::testing::TestParamInfo<Sanitizer>& test) {
                           return std::string(test.param.name);
                         });

}  // namespace
}  // namespace pqleash::testing
