// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "reporter/commands/output.h"
#include "reporter/duration.h"

namespace pqleash::reporter {

namespace {

// In the order of Format.
constexpr const char* kFormatNames[] = {"text",  "json",       "html",     "folded",
                                        "pprof", "speedscope", "markdown", "prometheus"};

const char* NameOf(Format format) { return kFormatNames[static_cast<size_t>(format)]; }

std::string Alternatives(const std::vector<Format>& offered) {
  std::string text;
  for (size_t i = 0; i < offered.size(); ++i) {
    if (i != 0) text += i + 1 == offered.size() ? " or " : ", ";
    text += NameOf(offered[i]);
  }
  return text;
}

}  // namespace

void AddFormatOption(CLI::App* app, Format* format, const std::vector<Format>& offered) {
  const std::string alternatives = Alternatives(offered);
  app->add_option_function<std::string>(
         "--format",
         [format, offered, alternatives](const std::string& text) {
           const auto named = std::find_if(offered.begin(), offered.end(),
                                           [&](Format one) { return text == NameOf(one); });
           if (named == offered.end()) {
             throw CLI::ValidationError(
                 "--format", fmt::format("'{}' is no format, expected {}", text, alternatives));
           }
           *format = *named;
         },
         fmt::format("Format of the result: {} (default: text)", alternatives))
      ->type_name("FORMAT");
}

void AddDurationOption(CLI::App* app, const std::string& name, const std::string& help,
                       std::optional<uint64_t>* ns) {
  app->add_option_function<std::string>(
         name,
         [name, ns](const std::string& text) {
           *ns = ParseDuration(text);
           if (!*ns) {
             throw CLI::ValidationError(
                 name,
                 fmt::format("'{}' is no duration, expected a number with a unit: 250ms, 30s, "
                             "5m, 2h or 1d",
                             text));
           }
         },
         help)
      ->type_name("DURATION");
}

void AddDirectoryOption(CLI::App* app, std::string* directory) {
  if (const char* configured = std::getenv("PQLEASH_DIR")) *directory = configured;
  app->add_option_function<std::string>(
         "--dir",
         [directory](const std::string& text) {
           if (text.empty())
             throw CLI::ValidationError("--dir", "expected the name of a directory");
           *directory = text;
         },
         "Directory of the ledgers (default: PQLEASH_DIR, else /dev/shm/pqleash-<uid>)")
      ->type_name("DIR");
}

std::optional<int> ParseArguments(const std::string& name, const Arguments& arguments,
                                  CLI::App* app) {
  app->name("pqleash " + name);
  Arguments reversed(arguments.rbegin(), arguments.rend());
  try {
    app->parse(reversed);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::cout << app->help();
    return FinishOutput();
  } catch (const CLI::ParseError& error) {
    std::string what = error.what();
    std::replace(what.begin(), what.end(), '\n', ' ');
    Diagnose(fmt::format("{}: {}; see `pqleash {} --help`", name, what, name));
    return kUsage;
  }
}

}  // namespace pqleash::reporter
