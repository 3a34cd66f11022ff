// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reporter/commands/ask_server.h"
#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/observe/collect.h"
#include "reporter/render/configuration.h"
#include "reporter/server/budget.h"
#include "reporter/server/measured_need.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"
#include "shim/config/config.h"
#include "shim/config/default_directory.h"
#include "shim/config/file.h"
#include "shim/config/values.h"

namespace pqleash::reporter {
namespace {

struct CheckOptions {
  std::string file;  // empty: that of PQLEASH_CONFIG
  bool no_environment = false;
  Format format = Format::kText;
  std::optional<std::string> dsn;
  Deploy deploy;
  std::string directory;  // of the ledgers
};

// Means something with --dsn alone, which must have been added.
void AddFactorOption(CommandLine* line, const std::string& name, const std::string& help,
                     uint64_t* factor) {
  const auto take = [factor](const std::string& text) -> Complaint {
    constexpr uint32_t kMost = 1'000'000;
    const auto count = config::ParseCount(text, 1, kMost);
    if (!count) {
      return fmt::format("'{}' is no number, expected a whole number from 1 to {}", text, kMost);
    }
    *factor = *count;
    return {};
  };
  line->AddTaken(name, "N", take, help);
  line->Needs(name, "--dsn");
}

std::optional<int> ParseCheck(const Arguments& arguments, CheckOptions* options) {
  CommandLine line(
      "Check a configuration before it is deployed: print what is wrong with it, or what would be "
      "in force. Checked are FILE, or the file that PQLEASH_CONFIG names, and the PQLEASH_ "
      "variables of this environment. With --dsn it is checked whether the caps fit the server, "
      "and "
      "whether they leave the programs that run here what they use.");
  line.SetFooter(
      "Exits with 3 where there is a problem, and with 1 where the file cannot be read or the "
      "server cannot be asked.");
  line.AddOperand("FILE", &options->file, "The configuration file (default: PQLEASH_CONFIG)");
  line.AddFlag("--no-environment", &options->no_environment,
               "Leave out the PQLEASH_ variables, but for PQLEASH_CONFIG where no FILE is given");
  AddDsnOption(&line, "Check against this server, as the service's role", &options->dsn);
  AddFactorOption(&line, "--instances", "Hosts or containers that the service runs on (default: 1)",
                  &options->deploy.instances);
  AddFactorOption(&line, "--workers", "Processes of the service in each instance (default: 1)",
                  &options->deploy.workers);
  AddDirectoryOption(&line, &options->directory);
  AddFormatOption(&line, &options->format);
  return line.Parse("check", arguments);
}

struct Unreadable {
  std::string path;
  std::string error;
};

// As the library would have it in a program without a name.
config::Loaded LoadConfiguration(const CheckOptions& options,
                                 std::optional<Unreadable>* unreadable) {
  config::Surroundings surroundings;
  surroundings.environment = [&](const char* name) -> const char* {
    if (std::string_view(name) == "PQLEASH_CONFIG") {
      return options.file.empty() ? std::getenv(name) : options.file.c_str();
    }
    return options.no_environment ? nullptr : std::getenv(name);
  };
  surroundings.read_file = [&](const std::string& path, std::string* error) {
    auto text = config::ReadConfigFile(path, error);
    if (!text) *unreadable = {path, *error};
    return text;
  };
  surroundings.uid = geteuid();
  surroundings.directory = config::FindDefaultDirectory(geteuid()).path;
  return config::Load(surroundings);
}

// What the processes use that the configuration is for, as far as it says which service's these
// are.
std::vector<MeasuredNeed> NeedsOn(const ServerView& view, const config::Loaded& loaded,
                                  const CheckOptions& options) {
  std::string service;
  for (const config::Effective& setting : loaded.effective) {
    if (setting.name == "service" && setting.source != "default") service = loaded.config.service;
  }
  Selection selection;
  selection.directory = options.directory;
  const Collected collected = Collect(selection);
  for (const std::string& sentence : collected.incomplete) Diagnose("incomplete: " + sentence);
  return MeasureNeed(collected.snapshots, service, view.address.dbname, view.address.user);
}

// No value: no server was asked, or `problem` says why it told nothing.
std::optional<CheckedServer> CheckServer(const config::Loaded& loaded, const CheckOptions& options,
                                         std::optional<std::string>* problem) {
  std::optional<ServerView> view = AskServer(options.dsn, problem);
  if (!view) return std::nullopt;
  Budget budget =
      MakeBudget(*view, loaded.config.policies, options.deploy, NeedsOn(*view, loaded, options));
  return CheckedServer{std::move(*view), std::move(budget)};
}

}  // namespace

int RunCheck(const Arguments& arguments) {
  CheckOptions options;
  if (const auto exit_code = ParseCheck(arguments, &options)) return *exit_code;
  std::optional<Unreadable> unreadable;
  const config::Loaded loaded = LoadConfiguration(options, &unreadable);
  if (unreadable) {
    Diagnose(fmt::format("check: cannot read '{}': {}; see `pqleash check --help`",
                         unreadable->path, unreadable->error));
    return kFailed;
  }
  std::optional<std::string> server_problem;
  const std::optional<CheckedServer> server = CheckServer(loaded, options, &server_problem);
  if (options.format == Format::kJson) {
    RenderConfigurationJson(loaded, server, CurrentOccasion().realtime_ns, std::cout);
  } else {
    RenderConfigurationText(loaded, server, WantsColour(STDOUT_FILENO), std::cout);
  }
  if (server_problem) Diagnose("check: " + *server_problem);
  if (FinishOutput() != kFine || server_problem) return kFailed;
  const bool fits = !server || server->budget.problems.empty();
  return loaded.problems.empty() && fits ? kFine : kFindings;
}

}  // namespace pqleash::reporter
