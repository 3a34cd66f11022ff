// SPDX-License-Identifier: Apache-2.0
//
// The hazard programs under valgrind's memcheck: whatever the programs do, no error has a frame of
// ours. examples/valgrind has what we do on purpose.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/preload/hazards.h"
#include "tests/preload/trial.h"
#include "tests/support/subprocess.h"

namespace pqleash::testing {
namespace {

// What memcheck says of one error, a line with '==pid==' and nothing else around it.
std::vector<std::string> ErrorsIn(const std::string& log) {
  std::vector<std::string> errors(1);
  size_t at = 0;
  while (at < log.size()) {
    const size_t end = std::min(log.find('\n', at), log.size() - 1);
    const std::string line = log.substr(at, end - at);
    if (line.ends_with("== ")) {
      errors.emplace_back();
    } else {
      errors.back() += line + '\n';
    }
    at = end + 1;
  }
  return errors;
}

bool IsOurs(const std::string& error) {
  const bool stack =
      error.find("== ") != std::string::npos && error.find("   at 0x") != std::string::npos;
  return stack && (error.find("pqleash::") != std::string::npos ||
                   error.find("libpqleash.so") != std::string::npos);
}

bool ValgrindIsThere() { return Succeeds({"valgrind", "--version"}); }

// The program under valgrind, which writes what it has to say into files in `logs`.
Command UnderValgrind(Command command, const std::string& logs,
                      const std::vector<std::string>& options) {
  std::filesystem::create_directory(logs);
  std::filesystem::permissions(logs, std::filesystem::perms::all);
  std::vector<std::string> words = {"valgrind",         "--trace-children=yes",
                                    "--num-callers=40", "--log-file=" + logs + "/%p",
                                    "--leak-check=no",  "--child-silent-after-fork=no"};
  words.insert(words.end(), options.begin(), options.end());
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  command.arguments = words;
  return command;
}

// What memcheck has found of ours. `*read`: processes that it has looked at.
std::vector<std::string> ErrorsOfOurs(const std::string& logs, int* read) {
  std::vector<std::string> errors;
  for (const auto& entry : std::filesystem::directory_iterator(logs)) {
    std::ifstream file(entry.path());
    const std::string log(std::istreambuf_iterator<char>(file), {});
    if (log.find("a memory error detector") != std::string::npos) ++*read;
    for (const std::string& error : ErrorsIn(log)) {
      if (IsOurs(error)) errors.push_back(error);
    }
  }
  return errors;
}

class Memcheck : public ::testing::TestWithParam<Hazard> {};

TEST_P(Memcheck, FindsNoErrorOfOurs) {
  const Hazard& hazard = GetParam();
  if (hazard.root && geteuid() != 0) GTEST_SKIP() << hazard.name << " can only be tried as root";
  if (!ValgrindIsThere()) GTEST_SKIP() << "valgrind is not installed";
  const Trial trial(Libpq::kStandin);
  Command command = trial.Preloaded(hazard.command);
  SetEnvironment(hazard, trial, &command);
  const std::string logs = trial.path() / "memcheck";
  RunToEnd(UnderValgrind(command, logs, {"--suppressions=" PQLEASH_TEST_SUPPRESSIONS}));
  int read = 0;
  for (const std::string& error : ErrorsOfOurs(logs, &read)) ADD_FAILURE() << error;
  EXPECT_GT(read, 0) << "valgrind has looked at nothing";
}

// The installed library has no names of functions to go by.
TEST(Suppressions, FitTheStrippedLibrary) {
  if (!ValgrindIsThere()) GTEST_SKIP() << "valgrind is not installed";
  for (const bool suppressed : {false, true}) {
    const Trial trial(Libpq::kStandin);
    const std::string library = trial.path() / "libpqleash.so";
    ASSERT_EQ(RunToEnd({.arguments = {"strip", "-o", library, PQLEASH_TEST_LIBRARY}}).exit_code, 0);
    Command command = trial.Preloaded({"basic"});
    command.environment["LD_PRELOAD"] = library;
    const std::string logs = trial.path() / "memcheck";
    std::vector<std::string> options;
    if (suppressed) options.emplace_back("--suppressions=" PQLEASH_TEST_SUPPRESSIONS);
    RunToEnd(UnderValgrind(command, logs, options));
    int read = 0;
    const std::vector<std::string> errors = ErrorsOfOurs(logs, &read);
    EXPECT_EQ(read, 1);
    EXPECT_EQ(errors.empty(), suppressed) << (errors.empty() ? "" : errors[0]);
  }
}

std::string Name(const ::testing::TestParamInfo<Hazard>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Hazards, Memcheck, ::testing::ValuesIn(StandinHazards()), Name);

}  // namespace
}  // namespace pqleash::testing
