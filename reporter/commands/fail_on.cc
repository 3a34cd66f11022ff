// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/fail_on.h"

#include <fmt/format.h>

namespace pqleash::reporter {

Complaint TakeLevel(const std::string& text, std::optional<FindingLevel>* level) {
  *level = LevelNamed(text);
  if (*level) return {};
  return fmt::format("'{}' is no level, expected critical, warning, info, proven or likely", text);
}

void AddFailOnOption(CommandLine* line, const std::string& help,
                     std::optional<FindingLevel>* fail_on) {
  line->AddTaken(
      "--fail-on", "LEVEL", [fail_on](const std::string& text) { return TakeLevel(text, fail_on); },
      help);
}

}  // namespace pqleash::reporter
