// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/commands/output.h"
#include "reporter/render/configuration.h"
#include "shim/config/config.h"
#include "shim/config/file.h"

namespace pqleash::reporter {
namespace {

struct CheckOptions {
  std::string file;  // empty: that of PQLEASH_CONFIG
  bool no_environment = false;
  Format format = Format::kText;
};

std::optional<int> ParseCheck(const Arguments& arguments, CheckOptions* options) {
  CLI::App app(
      "Check a configuration before it is deployed: print what is wrong with it, or what would be "
      "in force. Checked are FILE, or the file that PQLEASH_CONFIG names, and the PQLEASH_ "
      "variables of this environment.");
  app.footer("Exits with 3 where there is a problem, and with 1 where the file cannot be read.");
  app.add_option("FILE", options->file, "The configuration file (default: PQLEASH_CONFIG)")
      ->type_name("");
  app.add_flag("--no-environment", options->no_environment,
               "Leave out the PQLEASH_ variables, but for PQLEASH_CONFIG where no FILE is given");
  AddFormatOption(&app, &options->format);
  return ParseArguments("check", arguments, &app);
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
  return config::Load(surroundings);
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
  if (options.format == Format::kJson) {
    RenderConfigurationJson(loaded, std::cout);
  } else {
    RenderConfigurationText(loaded, WantsColour(STDOUT_FILENO), std::cout);
  }
  if (FinishOutput() != kFine) return kFailed;
  return loaded.problems.empty() ? kFine : kFindings;
}

}  // namespace pqleash::reporter
