// SPDX-License-Identifier: Apache-2.0
//
// One run of a hazard program.

#ifndef PQLEASH_TESTS_PRELOAD_TRIAL_H_
#define PQLEASH_TESTS_PRELOAD_TRIAL_H_

#include <filesystem>
#include <string>
#include <vector>

#include "tests/preload/hazards.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {

enum class Libpq { kStandin, kSymbolic, kPostgres };

// A directory in which one program runs once. The ledgers are in `ledgers`.
class Trial {
 public:
  explicit Trial(Libpq libpq);

  // words[0] is a program of tests/preload, or a path.
  Command Bare(const std::vector<std::string>& words) const;

  // The settings begin with PQLEASH_; the rest of a hazard's environment is there in the bare run
  // too.
  Command Preloaded(const std::vector<std::string>& words) const;

  std::string ledgers() const { return directory_ / "ledgers"; }
  const std::filesystem::path& path() const { return directory_.path(); }

 private:
  const Libpq libpq_;
  const TemporaryDirectory directory_;
};

// What the hazard says of its environment and of its stderr.
void SetEnvironment(const Hazard& hazard, const Trial& trial, Command* command);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_PRELOAD_TRIAL_H_
