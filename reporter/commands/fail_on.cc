// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/fail_on.h"

#include <fmt/format.h>

namespace pqleash::reporter {

void AddFailOnOption(CLI::App* app, const std::string& help, std::optional<Confidence>* fail_on) {
  app->add_option_function<std::string>(
         "--fail-on",
         [fail_on](const std::string& text) {
           if (text != "proven" && text != "likely") {
             throw CLI::ValidationError(
                 "--fail-on", fmt::format("'{}' is no level, expected proven or likely", text));
           }
           *fail_on = text == "proven" ? Confidence::kProven : Confidence::kLikely;
         },
         help)
      ->type_name("LEVEL");
}

}  // namespace pqleash::reporter
