// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "reporter/caps/caps_board.h"
#include "reporter/caps/caps_report.h"
#include "reporter/caps/policy_change.h"
#include "reporter/commands/caps_change.h"
#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/observe/collect.h"
#include "reporter/observe/collect_caps.h"
#include "reporter/render/caps_json.h"
#include "reporter/render/caps_text.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

int RunCapsList(const Arguments& arguments) {
  CommandLine line("Show caps and paces: limit, use, who waits; with NAME also who holds.");
  line.SetFooter(
      "Change them: `pqleash caps set`, `caps add`, `caps reset`, each with --help.\n"
      "`caps list` is the same as `caps`, for a NAME that is one of these words.");
  std::string name;
  std::string directory;
  std::vector<std::string> services;
  Format format = Format::kText;
  line.AddOperand("NAME", &name,
                  "Only the caps and paces of this name, with who holds and who waits");
  line.AddTexts("--service", "NAME", &services,
                "Only what holds for this service. May be repeated");
  AddDirectoryOption(&line, &directory);
  AddFormatOption(&line, &format);
  if (const auto exit_code = line.Parse("caps", arguments)) return *exit_code;

  CollectedBoards collected = CollectBoards(directory);
  Selection selection;
  selection.directory = directory;
  Collected processes = Collect(selection);
  for (std::string& sentence : processes.incomplete) {
    // A directory that cannot be read has been named already.
    const std::vector<std::string>& named = collected.incomplete;
    if (std::find(named.begin(), named.end(), sentence) == named.end())
      collected.incomplete.push_back(std::move(sentence));
  }
  const int complete = DiagnoseMissing(collected);
  CapsReport report = CollectCaps(collected.boards, processes.snapshots, collected.incomplete);
  std::vector<std::string> names;
  for (const CapsPolicy& policy : report.policies) names.emplace_back(policy.policy.filed.name);
  KeepPolicies(name, services, &report);
  if (!name.empty() && report.policies.empty()) {
    Diagnose(NotFound(name, services.empty() ? "" : services.front(), names));
    return kFailed;
  }
  if (format == Format::kJson) {
    RenderCapsJson(report, std::cout);
  } else {
    RenderCapsText(report, {WantsColour(STDOUT_FILENO), !name.empty()}, std::cout);
  }
  const int written = FinishOutput();
  return complete != kFine ? complete : written;
}

}  // namespace

int RunCaps(const Arguments& arguments) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  const Arguments rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (first == "list") return RunCapsList(rest);
  if (first == "set") return RunCapsSet(rest);
  if (first == "add") return RunCapsAdd(rest);
  if (first == "reset") return RunCapsReset(rest);
  return RunCapsList(arguments);
}

}  // namespace pqleash::reporter
