// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "reporter/commands/command.h"
#include "reporter/commands/launch.h"
#include "reporter/commands/options.h"
#include "reporter/launch/child.h"
#include "reporter/observe/collect.h"
#include "reporter/observe/collect_caps.h"
#include "reporter/observe/make_report.h"
#include "reporter/render/text.h"
#include "reporter/words/diagnose.h"

namespace pqleash::reporter {
namespace {

constexpr char kToStderr[] = "stderr";

struct RunOptions {
  std::string report_at_exit;  // 'stderr' or the name of a file; empty: none
  std::string directory;       // empty: the default
  Launch launch;
};

std::optional<int> ParseRun(const Arguments& arguments, RunOptions* options) {
  CommandLine line(
      "Run a program and record its connections. Exits as the program does; with 127 where it is "
      "not "
      "found, 126 where it cannot be executed.");
  line.SetFooter(
      "The program follows after two dashes: pqleash run [OPTIONS] -- COMMAND [ARGUMENTS...]");
  line.AddFlagWithText(
      "--report-at-exit", kToStderr, &options->report_at_exit,
      "When the program has ended, report on all processes of the run: to stderr, or with "
      "--report-at-exit=FILE to a file");
  std::string directory;
  AddDirectoryOption(&line, &directory);
  options->launch.name = "run";
  AddLaunchOptions(&line, &options->launch);
  if (auto exit_code = ParseLaunch(arguments, &line, &options->launch)) return exit_code;
  // The program may start elsewhere than we did.
  std::error_code error;
  if (!directory.empty()) options->directory = std::filesystem::absolute(directory, error);
  if (line.Given("--dir")) options->launch.directory = options->directory;
  return std::nullopt;
}

// Says what will keep the program from being recorded. It is run all the same: whoever watches must
// not be in the way.
std::optional<std::string> LibraryOrNone(const RunOptions& options) {
  std::string problem;
  auto library = UsableLibrary(options.launch, &problem);
  if (!library) {
    Diagnose("run: " + problem);
    return std::nullopt;
  }
  for (const std::string& sentence : RecordingProblems(options.directory)) {
    Diagnose("run: " + sentence);
  }
  return library;
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
  const uint64_t run_id = RunIdWithin();
  const auto library = LibraryOrNone(options);
  const ChildResult result =
      RunChild(options.launch.command, LaunchVariables(options.launch, library, run_id));
  if (result.start_error != 0) return DiagnoseStart(options.launch, result.start_error);
  try {
    if (!options.report_at_exit.empty()) ReportAtExit(options, run_id);
  } catch (const std::exception& error) {
    // Whatever goes wrong in reporting, the caller gets the status of the program.
    Diagnose(fmt::format("run: no report can be made: {}", error.what()));
  }
  return EndAs(result.wait_status);
}

}  // namespace pqleash::reporter
