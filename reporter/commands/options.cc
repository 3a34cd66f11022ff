// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "reporter/words/duration.h"

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

void AddFormatOption(CommandLine* line, Format* format, const std::vector<Format>& offered) {
  const std::string alternatives = Alternatives(offered);
  const auto take = [format, offered, alternatives](const std::string& text) -> Complaint {
    const auto named = std::find_if(offered.begin(), offered.end(),
                                    [&](Format one) { return text == NameOf(one); });
    if (named == offered.end()) {
      return fmt::format("'{}' is no format, expected {}", text, alternatives);
    }
    *format = *named;
    return {};
  };
  line->AddTaken("--format", "FORMAT", take,
                 fmt::format("Format of the result: {} (default: text)", alternatives));
}

void AddDurationOption(CommandLine* line, const std::string& name, const std::string& help,
                       std::optional<uint64_t>* ns) {
  const auto take = [ns](const std::string& text) -> Complaint {
    *ns = ParseDuration(text);
    if (*ns) return {};
    return fmt::format(
        "'{}' is no duration, expected a number with a unit: 250ms, 30s, 5m, 2h or 1d", text);
  };
  line->AddTaken(name, "DURATION", take, help);
}

void AddDirectoryOption(CommandLine* line, std::string* directory) {
  if (const char* configured = std::getenv("PQLEASH_DIR")) *directory = configured;
  const auto take = [directory](const std::string& text) -> Complaint {
    if (text.empty()) return "expected the name of a directory";
    *directory = text;
    return {};
  };
  line->AddTaken("--dir", "DIR", take,
                 "Directory of the ledgers (default: PQLEASH_DIR, else /dev/shm/pqleash-<uid>)");
}

}  // namespace pqleash::reporter
