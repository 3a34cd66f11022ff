// SPDX-License-Identifier: Apache-2.0

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <utility>

#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/doctor/directory.h"
#include "reporter/doctor/installation.h"
#include "reporter/doctor/kernel.h"
#include "reporter/doctor/observed.h"
#include "reporter/doctor/program.h"
#include "reporter/observe/collect.h"
#include "reporter/render/diagnosis.h"
#include "reporter/snapshot/proc_files.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

struct DoctorOptions {
  std::optional<int32_t> pid;
  std::string directory;
  std::string library;
  Format format = Format::kText;
  Arguments command;
};

std::optional<int> ParseDoctor(const Arguments& arguments, DoctorOptions* options) {
  CommandLine line(
      "Check that pqleash works here: for any program, for a running process, or for a program "
      "that is run to try it. Exits with 1 where a check failed.");
  line.SetFooter(
      "A program to try follows after two dashes: pqleash doctor [OPTIONS] -- COMMAND "
      "[ARGUMENTS...]\nIts output goes to stderr, its ledgers to a directory of their own.");
  line.AddNumber(
      "--pid", "PID", kPids, [options](int32_t pid) { options->pid = pid; },
      "Check what is seen of this process");
  AddDirectoryOption(&line, &options->directory);
  line.AddText("--library", "FILE", &options->library,
               "Path of libpqleash.so (default: beside this tool)");
  AddFormatOption(&line, &options->format);
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  if (auto exit_code = line.Parse("doctor", Arguments(arguments.begin(), separator))) {
    return exit_code;
  }
  if (separator == arguments.end()) return std::nullopt;
  options->command.assign(separator + 1, arguments.end());
  if (options->command.empty() || options->pid) {
    Diagnose("doctor: expected either `--pid PID` or `-- COMMAND`; see `pqleash doctor --help`");
    return kUsage;
  }
  return std::nullopt;
}

void Add(std::vector<Check> more, Diagnosis* diagnosis) {
  for (Check& check : more) diagnosis->checks.push_back(std::move(check));
}

void AddLibpqSymbols(const std::vector<std::string>& paths, Diagnosis* diagnosis) {
  for (const std::string& path : paths) {
    if (const auto symbols = LookAtSymbols(path)) {
      Add(JudgeLibpqSymbols(path, *symbols), diagnosis);
    }
  }
}

void CheckCommand(const DoctorOptions& options, const Installation& installation,
                  Diagnosis* diagnosis) {
  const Program program = LookAtCommand(options.command.front());
  Add(Judge(program), diagnosis);
  const bool preloadable = !installation.library.empty() && installation.problem.empty();
  if (program.path.empty() || !preloadable) return;
  const Trial trial = RunTrial(options.command, installation.library);
  Add(Judge(trial, program), diagnosis);
  std::vector<std::string> paths;
  for (const Snapshot& snapshot : trial.snapshots) {
    for (const LibpqCopy& copy : snapshot.libpq_copies) {
      if (std::find(paths.begin(), paths.end(), copy.path) == paths.end()) {
        paths.push_back(copy.path);
      }
    }
  }
  AddLibpqSymbols(paths, diagnosis);
}

void CheckProcess(const DoctorOptions& options, Diagnosis* diagnosis) {
  const Running running = LookAtProcess(*options.pid, options.directory);
  const std::string process = "/proc/" + std::to_string(*options.pid);
  if (running.may_look) {
    Program program = LookAtProgram(process, process + "/exe");
    program.path = ReadLink(program.path).value_or(program.path);
    Add(Judge(program), diagnosis);
  }
  Add(Judge(running), diagnosis);
  // As that process sees them: it may have another root.
  std::vector<std::string> paths;
  for (const std::string& path : running.mapped.libpq) paths.push_back(process + "/root" + path);
  AddLibpqSymbols(paths, diagnosis);
}

}  // namespace

int RunDoctor(const Arguments& arguments) {
  DoctorOptions options;
  if (const auto exit_code = ParseDoctor(arguments, &options)) return *exit_code;
  const Occasion occasion = CurrentOccasion();
  Diagnosis diagnosis;
  diagnosis.generated_realtime_ns = occasion.realtime_ns;
  diagnosis.host = occasion.host;
  const Installation installation = LookAtInstallation(options.library);
  Add(Judge(installation), &diagnosis);
  Add(Judge(LookAtDirectory(options.directory)), &diagnosis);
  Add(Judge(LookAtKernel()), &diagnosis);
  if (!options.command.empty()) CheckCommand(options, installation, &diagnosis);
  if (options.pid) CheckProcess(options, &diagnosis);
  if (options.format == Format::kJson) {
    RenderDiagnosisJson(diagnosis, std::cout);
  } else {
    RenderDiagnosisText(diagnosis, WantsColour(STDOUT_FILENO), std::cout);
  }
  const int written = FinishOutput();
  return diagnosis.Passed() ? written : kFailed;
}

}  // namespace pqleash::reporter
