// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/unseen.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "reporter/doctor/program.h"

namespace pqleash::reporter {
namespace {

// Programs that start another as another user, or without the environment that they were given.
constexpr std::string_view kUserChangers[] = {"su",      "sudo",   "doas",  "runuser",
                                              "setpriv", "chpst",  "gosu",  "login",
                                              "su-exec", "pkexec", "capsh", "machinectl"};

std::string Reason(const std::vector<std::string>& command) {
  const std::string& name = command.front();
  const std::string_view base = std::string_view(name).substr(name.rfind('/') + 1);
  if (std::find(std::begin(kUserChangers), std::end(kUserChangers), base) !=
      std::end(kUserChangers)) {
    return fmt::format(
        "{} runs its program as another user or without this environment, where ledgers of this "
        "audit cannot be written: have the audit inside of it, as in `{} ... pqleash audit -- "
        "COMMAND`",
        base, base);
  }
  const Program program = LookAtCommand(name);
  if (const std::string obstacle = Obstacle(program); !obstacle.empty()) {
    return fmt::format(
        "{}: {}; audit a build that is dynamically linked with glibc and the shared libpq, and has "
        "no privileges of its file",
        program.path, obstacle);
  }
  return "it may connect without libpq or not at all, have libpq inside of itself, run as another "
         "user, or have emptied its environment: `pqleash doctor -- COMMAND` says which";
}

}  // namespace

std::string WhyNothingWasSeen(const std::vector<std::string>& command) {
  return fmt::format(
      "nothing was recorded: no process of {} was seen to connect through libpq; {}; where that is "
      "as it should be, say --allow-unseen",
      command.front(), Reason(command));
}

}  // namespace pqleash::reporter
