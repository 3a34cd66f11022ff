// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "reporter/commands/child.h"
#include "reporter/commands/collect.h"
#include "reporter/commands/collect_caps.h"
#include "reporter/commands/command.h"
#include "reporter/commands/make_report.h"
#include "reporter/commands/options.h"
#include "reporter/commands/output.h"
#include "reporter/commands/preload.h"
#include "reporter/render/text.h"

namespace pqleash::reporter {
namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

constexpr char kToStderr[] = "stderr";
constexpr size_t kMaxService = 63;  // bytes that a ledger has room for

struct RunOptions {
  std::string report_at_exit;  // 'stderr' or the name of a file; empty: none
  std::string directory;
  bool directory_given = false;
  std::string service;
  std::string library;
  Arguments command;
};

std::optional<int> ParseRun(const Arguments& arguments, RunOptions* options) {
  CLI::App app(
      "Run a program and record its connections. Exits as the program does; with 127 where it is "
      "not "
      "found, 126 where it cannot be executed.");
  app.footer(
      "The program follows after two dashes: pqleash run [OPTIONS] -- COMMAND [ARGUMENTS...]");
  app.add_flag("--report-at-exit{stderr}", options->report_at_exit,
               "When the program has ended, report on all processes of the run: to stderr, or with "
               "--report-at-exit=FILE to a file");
  std::string directory;
  AddDirectoryOption(&app, &directory);
  app.add_option_function<std::string>(
         "--service",
         [options](const std::string& name) {
           if (name.empty() || name.size() > kMaxService) {
             throw CLI::ValidationError(
                 "--service", fmt::format("'{}' has {} bytes, expected 1 to {}", name, name.size(),
                                          kMaxService));
           }
           options->service = name;
         },
         "Name of the service in reports (default: PQLEASH_SERVICE, else name of the executable)")
      ->type_name("NAME");
  app.add_option("--library", options->library, "Path of libpqleash.so (default: beside this tool)")
      ->type_name("FILE");
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  if (auto exit_code = ParseArguments("run", Arguments(arguments.begin(), separator), &app)) {
    return exit_code;
  }
  if (separator != arguments.end()) options->command.assign(separator + 1, arguments.end());
  if (options->command.empty()) {
    Diagnose(
        "run: no command given, expected `pqleash run [OPTIONS] -- COMMAND`; see `pqleash run "
        "--help`");
    return kUsage;
  }
  options->directory_given = app.count("--dir") != 0;
  // The program may start elsewhere than we did.
  std::error_code error;
  if (!directory.empty()) options->directory = std::filesystem::absolute(directory, error);
  return std::nullopt;
}

uint64_t NewRunId() {
  uint64_t id = 0;
  while (id == 0) {
    if (getrandom(&id, sizeof id, 0) != sizeof id) id = static_cast<uint64_t>(getpid());
  }
  return id;
}

// Says what will keep the program from being recorded. It is run all the same: whoever watches must
// not be in the way.
std::optional<std::string> UsableLibrary(const RunOptions& options) {
  std::optional<std::string> library = FindLibrary();
  if (!options.library.empty()) {
    std::error_code error;
    library = std::filesystem::absolute(options.library, error);
  }
  if (!library) {
    Diagnose(
        "run: libpqleash.so is not beside this tool, so that nothing will be recorded; name it "
        "with --library");
    return std::nullopt;
  }
  if (const auto problem = LibraryProblem(*library)) {
    Diagnose(fmt::format("run: {}; nothing will be recorded", *problem));
    return std::nullopt;
  }
  if (const auto problem = DirectoryProblem(options.directory)) {
    Diagnose(fmt::format("run: {}; nothing will be recorded", *problem));
  }
  if (const char* disable = std::getenv("PQLEASH_DISABLE");
      disable && std::strcmp(disable, "1") == 0) {
    Diagnose("run: PQLEASH_DISABLE=1 is set, so that nothing will be recorded");
  }
  return library;
}

Variables ChildVariables(const RunOptions& options, const std::optional<std::string>& library,
                         uint64_t run_id) {
  Variables variables;
  if (library) {
    const char* existing = std::getenv("LD_PRELOAD");
    variables.emplace_back("LD_PRELOAD", PreloadValue(*library, existing ? existing : ""));
  }
  variables.emplace_back("PQLEASH_RUN", fmt::format("{:016x}", run_id));
  if (options.directory_given) variables.emplace_back("PQLEASH_DIR", options.directory);
  if (!options.service.empty()) variables.emplace_back("PQLEASH_SERVICE", options.service);
  return variables;
}

void ReportAtExit(const RunOptions& options, uint64_t run_id) {
  Selection selection;
  selection.directory = options.directory;
  selection.run_id = run_id;
  Collected collected = Collect(selection);
  collected.caps = CollectCapsOf(collected.snapshots, selection.directory);
  const Report report = MakeReport(std::move(collected), Filter{});
  if (options.report_at_exit == kToStderr) {
    RenderReportText(report, {WantsColour(STDERR_FILENO), false}, std::cerr);
    return;
  }
  std::ofstream file(options.report_at_exit, std::ios::trunc);
  RenderReportText(report, {}, file);
  file.close();
  if (!file) {
    Diagnose(fmt::format("run: the report could not be written to {}: {}", options.report_at_exit,
                         std::strerror(errno)));
  }
}

}  // namespace

int RunRun(const Arguments& arguments) {
  RunOptions options;
  if (const auto exit_code = ParseRun(arguments, &options)) return *exit_code;
  const uint64_t run_id = NewRunId();
  const auto library = UsableLibrary(options);
  const ChildResult result = RunChild(options.command, ChildVariables(options, library, run_id));
  if (result.start_error != 0) {
    Diagnose(fmt::format("run: {} cannot be run: {}", options.command.front(),
                         std::strerror(result.start_error)));
    return result.start_error == ENOENT ? kCommandNotFound : kCannotExecute;
  }
  try {
    if (!options.report_at_exit.empty()) ReportAtExit(options, run_id);
  } catch (const std::exception& error) {
    // Whatever goes wrong in reporting, the caller gets the status of the program.
    Diagnose(fmt::format("run: no report can be made: {}", error.what()));
  }
  return EndAs(result.wait_status);
}

}  // namespace pqleash::reporter
