// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/launch.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "reporter/commands/command.h"
#include "reporter/launch/preload.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kMaxService = 63;  // bytes that a ledger has room for

}  // namespace

void AddLaunchOptions(CommandLine* line, Launch* launch) {
  const auto take = [launch](const std::string& name) -> Complaint {
    if (name.empty() || name.size() > kMaxService) {
      return fmt::format("'{}' has {} bytes, expected 1 to {}", name, name.size(), kMaxService);
    }
    launch->service = name;
    return {};
  };
  line->AddTaken("--service", "NAME", take,
                 "Name of the service in reports (default: PQLEASH_SERVICE, else name of the "
                 "executable)");
  line->AddText("--library", "FILE", &launch->library,
                "Path of libpqleash.so (default: beside this tool)");
}

std::optional<int> ParseLaunch(const Arguments& arguments, CommandLine* line, Launch* launch) {
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  if (auto exit_code = line->Parse(launch->name, Arguments(arguments.begin(), separator))) {
    return exit_code;
  }
  if (separator != arguments.end()) launch->command.assign(separator + 1, arguments.end());
  if (!launch->command.empty()) return std::nullopt;
  Diagnose(
      fmt::format("{0}: no command given, expected `pqleash {0} [OPTIONS] -- COMMAND`; see "
                  "`pqleash {0} --help`",
                  launch->name));
  return kUsage;
}

uint64_t NewRunId() {
  uint64_t id = 0;
  while (id == 0) {
    if (getrandom(&id, sizeof id, 0) != sizeof id) id = static_cast<uint64_t>(getpid());
  }
  return id;
}

uint64_t RunIdWithin() {
  const char* run = std::getenv("PQLEASH_RUN");
  if (run == nullptr || std::getenv("PQLEASH_HOLD_AT_EXIT") == nullptr) return NewRunId();
  uint64_t id = 0;
  const char* end = run + std::strlen(run);
  const auto [rest, problem] = std::from_chars(run, end, id, 16);
  return problem == std::errc() && rest == end && id != 0 ? id : NewRunId();
}

std::optional<std::string> UsableLibrary(const Launch& launch, std::string* problem) {
  std::optional<std::string> library = FindLibrary();
  if (!launch.library.empty()) {
    std::error_code error;
    library = std::filesystem::absolute(launch.library, error);
  }
  if (!library) {
    *problem =
        "libpqleash.so is not beside this tool, so that nothing will be recorded; name it with "
        "--library";
    return std::nullopt;
  }
  if (const auto reason = LibraryProblem(*library)) {
    *problem = fmt::format("{}; nothing will be recorded", *reason);
    return std::nullopt;
  }
  return library;
}

std::vector<std::string> RecordingProblems(const std::string& directory) {
  std::vector<std::string> problems;
  if (const auto notice = DirectoryNotice(directory))
    problems.push_back(*notice + "; remove the former as root, or set PQLEASH_DIR");
  if (const auto problem = DirectoryProblem(directory)) {
    problems.push_back(fmt::format("{}; nothing will be recorded", *problem));
  }
  if (const char* disable = std::getenv("PQLEASH_DISABLE");
      disable && std::strcmp(disable, "1") == 0) {
    problems.emplace_back("PQLEASH_DISABLE=1 is set, so that nothing will be recorded");
  }
  return problems;
}

Variables LaunchVariables(const Launch& launch, const std::optional<std::string>& library,
                          uint64_t run_id) {
  Variables variables;
  if (library) {
    const char* existing = std::getenv("LD_PRELOAD");
    variables.emplace_back("LD_PRELOAD", PreloadValue(*library, existing ? existing : ""));
  }
  variables.emplace_back("PQLEASH_RUN", fmt::format("{:016x}", run_id));
  if (!launch.directory.empty()) variables.emplace_back("PQLEASH_DIR", launch.directory);
  if (!launch.service.empty()) variables.emplace_back("PQLEASH_SERVICE", launch.service);
  return variables;
}

int DiagnoseStart(const Launch& launch, int start_error) {
  Diagnose(fmt::format("{}: {} cannot be run: {}", launch.name, launch.command.front(),
                       std::strerror(start_error)));
  return start_error == ENOENT ? kCommandNotFound : kCannotExecute;
}

}  // namespace pqleash::reporter
