// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/fail_on.h"

#include <fmt/format.h>

namespace pqleash::reporter {

void AddFailOnOption(CommandLine* line, const std::string& help,
                     std::optional<Confidence>* fail_on) {
  const auto take = [fail_on](const std::string& text) -> Complaint {
    if (text != "proven" && text != "likely") {
      return fmt::format("'{}' is no level, expected proven or likely", text);
    }
    *fail_on = text == "proven" ? Confidence::kProven : Confidence::kLikely;
    return {};
  };
  line->AddTaken("--fail-on", "LEVEL", take, help);
}

}  // namespace pqleash::reporter
