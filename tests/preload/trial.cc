// SPDX-License-Identifier: Apache-2.0

#include "tests/preload/trial.h"

#include <fstream>

namespace pqleash::testing {

Trial::Trial(Libpq libpq) : libpq_(libpq) {
  std::filesystem::create_directory(directory_ / "work");
  std::ofstream(directory_ / "file") << "= neither a directory nor TOML\n";
  std::filesystem::create_directory(directory_ / "target");
  std::filesystem::create_directory_symlink(directory_ / "target", directory_ / "link");
  std::filesystem::create_directory(directory_ / "open");
  std::filesystem::permissions(directory_ / "open", std::filesystem::perms::all);
}

Command Trial::Bare(const std::vector<std::string>& words) const {
  Command command;
  command.arguments = words;
  if (!words[0].starts_with('/')) {
    command.arguments[0] = std::string(PQLEASH_TEST_PROGRAMS) + "/" + words[0];
  }
  command.directory = directory_ / "work";
  command.environment["PQLEASH_TEST_EARLY_EXIT"] = std::nullopt;
  if (libpq_ != Libpq::kPostgres) {
    command.environment["PQLEASH_TEST_STANDIN"] = "1";
    command.environment["LD_LIBRARY_PATH"] =
        libpq_ == Libpq::kStandin ? PQLEASH_TEST_STANDIN_DIR : PQLEASH_TEST_SYMBOLIC_DIR;
  }
  return command;
}

Command Trial::Preloaded(const std::vector<std::string>& words) const {
  Command command = Bare(words);
  command.environment["LD_PRELOAD"] = PQLEASH_TEST_LIBRARY;
  command.environment["PQLEASH_DIR"] = ledgers();
  return command;
}

void SetEnvironment(const Hazard& hazard, const Trial& trial, Command* command) {
  for (const auto& [name, value] : hazard.environment) {
    command->environment[name] =
        value.starts_with('@') ? trial.path().string() + value.substr(1) : value;
  }
  command->err_to = hazard.err_to;
}

}  // namespace pqleash::testing
