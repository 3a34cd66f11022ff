// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/attach/attacher.h"
#include "reporter/attach/candidates.h"
#include "reporter/commands/command.h"
#include "reporter/commands/launch.h"
#include "reporter/commands/options.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/escape.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

struct AttachOptions {
  std::vector<int32_t> pids;
  bool all_users = false;
  bool children = false;
  bool force = false;
  std::string program;  // of --program; empty: not asked for
  std::string directory;
  Launch launch;
};

Complaint TakePid(const std::string& text, std::vector<int32_t>* pids) {
  int32_t pid = 0;
  const char* end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, pid);
  if (problem != std::errc() || rest != end || pid <= 0)
    return fmt::format("'{}' is no process id, expected a number from 1 on", text);
  pids->push_back(pid);
  return {};
}

void AddCommonOptions(CommandLine* line, AttachOptions* options) {
  line->AddTakenList(
      "PID", "",
      [options](const std::vector<std::string>& texts) -> Complaint {
        for (const std::string& text : texts) {
          if (auto complaint = TakePid(text, &options->pids)) return complaint;
        }
        return {};
      },
      "The process, or several");
  line->AddText("--program", "NAME", &options->program,
                "All processes of this executable that have a libpq, instead of PID");
  line->AddFlag("--all-users", &options->all_users,
                "With --program, those of all users, not only your own (root)");
  line->AddFlag("--children", &options->children, "The children of these processes, too");
  line->AddFlag("--force", &options->force,
                "Also where the process has a filter of system calls (seccomp)");
}

std::optional<int> ParseAttach(const Arguments& arguments, AttachOptions* options) {
  CommandLine line(
      "Record the connections of a process that runs already, those included that are open: the "
      "library is loaded into it, and calls of libpq come to it from then on. `pqleash run` is for "
      "programs that are yet to be started.");
  line.SetFooter(
      "The library's settings are those of this command's environment (PQLEASH_CONFIG, "
      "PQLEASH_LIMIT, ...).\nExits with 1 where a process could not be attached to; it runs on as "
      "before.");
  AddCommonOptions(&line, options);
  AddDirectoryOption(&line, &options->directory);
  AddLaunchOptions(&line, &options->launch);
  return line.Parse("attach", arguments);
}

std::optional<int> ParseDetach(const Arguments& arguments, AttachOptions* options) {
  CommandLine line(
      "End what `pqleash attach` has begun: calls of libpq go to libpq alone again. The library "
      "stays "
      "in memory and does nothing; its ledger stays to be read.");
  line.SetFooter("Exits with 1 where a process could not be detached from; it runs on as before.");
  AddCommonOptions(&line, options);
  return line.Parse("detach", arguments);
}

// The processes that are meant; no value: none, which was said.
std::optional<std::vector<int32_t>> Targets(const std::string& command,
                                            const AttachOptions& options) {
  if (options.pids.empty() == options.program.empty()) {
    Diagnose(fmt::format(
        "{0}: expected either process ids or --program NAME; see `pqleash {0} --help`", command));
    return std::nullopt;
  }
  if (options.all_users && options.program.empty()) {
    Diagnose(fmt::format("{}: --all-users says whose processes --program means", command));
    return std::nullopt;
  }
  std::vector<int32_t> pids = options.pids;
  if (!options.program.empty()) {
    std::optional<uint32_t> user;
    if (!options.all_users) user = geteuid();
    pids = ProcessesOf(options.program, user);
    if (pids.empty()) {
      Diagnose(
          fmt::format("{}: no process of {} with a libpq was found{}", command, options.program,
                      options.all_users ? "" : ", of this user; --all-users looks at the others"));
      return std::nullopt;
    }
  }
  if (options.children) AddChildren(&pids);
  return pids;
}

double WorstMs(const std::vector<uint64_t>& stops_us) {
  const auto worst = std::max_element(stops_us.begin(), stops_us.end());
  return worst == stops_us.end() ? 0 : static_cast<double>(*worst) / 1'000;
}

// What its program may have noticed.
std::string Stops(const AttachOutcome& outcome) {
  return fmt::format("one thread stood still for {:.1f} ms at most, all of them for {:.1f} ms",
                     WorstMs(outcome.thread_stops_us), WorstMs(outcome.process_stops_us));
}

// The settings for the library: those of this environment, and of the options.
std::vector<std::string> VariablesFor(const AttachOptions& options) {
  std::vector<std::string> variables;
  const auto given = [&](std::string_view name) {
    return (name == "PQLEASH_DIR" && !options.directory.empty()) ||
           (name == "PQLEASH_SERVICE" && !options.launch.service.empty());
  };
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    // What is for the processes of one run alone.
    if (!name.starts_with("PQLEASH_") || name == "PQLEASH_RUN" || name == "PQLEASH_HOLD_AT_EXIT" ||
        name == "PQLEASH_DISABLE" || given(name))
      continue;
    variables.emplace_back(text);
  }
  if (!options.directory.empty()) variables.push_back("PQLEASH_DIR=" + options.directory);
  if (!options.launch.service.empty())
    variables.push_back("PQLEASH_SERVICE=" + options.launch.service);
  return variables;
}

}  // namespace

int RunAttach(const Arguments& arguments) {
  AttachOptions options;
  if (const auto exit_code = ParseAttach(arguments, &options)) return *exit_code;
  const auto pids = Targets("attach", options);
  if (!pids) return options.pids.empty() && !options.program.empty() ? kFailed : kUsage;
  std::string problem;
  const auto library = UsableLibrary(options.launch, &problem);
  if (!library) {
    Diagnose("attach: " + problem);
    return kFailed;
  }
  int exit_code = kFine;
  for (const int32_t pid : *pids) {
    const auto begun = std::chrono::steady_clock::now();
    const AttachOutcome outcome = Attach({pid, options.force, *library, VariablesFor(options)});
    if (!outcome.error.empty()) {
      Diagnose("attach: " + outcome.error);
      exit_code = kFailed;
      continue;
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begun);
    std::cout << fmt::format(
        "attached to {} ({}) in {} ms: {} {} of libpq, {} connections that were open already; {}\n",
        pid, Escape(outcome.program), took.count(), outcome.copies,
        outcome.copies == 1 ? "copy" : "copies", outcome.adopted, Stops(outcome));
  }
  const int written = FinishOutput();
  return exit_code != kFine ? exit_code : written;
}

int RunDetach(const Arguments& arguments) {
  AttachOptions options;
  if (const auto exit_code = ParseDetach(arguments, &options)) return *exit_code;
  const auto pids = Targets("detach", options);
  if (!pids) return options.pids.empty() && !options.program.empty() ? kFailed : kUsage;
  int exit_code = kFine;
  for (const int32_t pid : *pids) {
    const AttachOutcome outcome = Detach(pid, options.force);
    if (!outcome.error.empty()) {
      Diagnose("detach: " + outcome.error);
      exit_code = kFailed;
      continue;
    }
    std::cout << fmt::format("detached from {} ({}); {}\n", pid, Escape(outcome.program),
                             Stops(outcome));
  }
  const int written = FinishOutput();
  return exit_code != kFine ? exit_code : written;
}

}  // namespace pqleash::reporter
