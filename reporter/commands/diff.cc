// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/diff.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <string>

#include "reporter/commands/changes.h"
#include "reporter/commands/command.h"
#include "reporter/commands/fail_on.h"
#include "reporter/commands/options.h"
#include "reporter/observe/collect.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
int RunDiff(const Arguments& arguments) {
  CommandLine line(
      "Show what has changed between two saved reports: call sites that are new, hold more or "
      "fewer connections, or are gone, and findings that are new or gone. Call sites are matched "
      "by their id, which is the same on every host and in every run of one build of the program.");
  line.SetFooter(
      "BEFORE and AFTER are what `pqleash report --format json` or `pqleash audit --format json` "
      "wrote.\n"
      "Exit codes: 0 compared, 1 a file cannot be read or is no report, 2 wrong usage, 3 new "
      "findings at or above --fail-on");
  std::string before_path;
  std::string after_path;
  std::optional<FindingLevel> fail_on;
  Format format = Format::kText;
  line.AddOperand("BEFORE", &before_path, "The earlier report");
  line.Require("BEFORE");
  line.AddOperand("AFTER", &after_path, "The later one");
  line.Require("AFTER");
  AddFailOnOption(&line,
                  "Exit with 3 where there are new findings that are critical, at least warning, "
                  "at least info, proven, or at least likely",
                  &fail_on);
  AddFormatOption(&line, &format);
  if (const auto exit_code = line.Parse("diff", arguments)) return *exit_code;

  auto diff = ChangesBetween(before_path, after_path);
  if (!diff) return kFailed;
  diff->generated_realtime_ns = CurrentOccasion().realtime_ns;
  if (format == Format::kJson) {
    RenderDiffJson(*diff, std::cout);
  } else {
    RenderDiffText(*diff, WantsColour(STDOUT_FILENO), std::cout);
  }
  if (FinishOutput() != kFine) return kFailed;
  const bool fails =
      fail_on && std::any_of(diff->new_findings.begin(), diff->new_findings.end(),
                             [&](const Finding& finding) {
                               return fail_on->MetBy(finding.confidence, finding.severity);
                             });
  return fails ? kFindings : kFine;
}

}  // namespace pqleash::reporter
