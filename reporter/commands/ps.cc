// SPDX-License-Identifier: Apache-2.0

#include <unistd.h>

#include <iostream>

#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/observe/collect.h"
#include "reporter/render/json.h"
#include "reporter/render/text.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {

int RunPs(const Arguments& arguments) {
  CommandLine line("List the processes that have a ledger.");
  Selection selection;
  Format format = Format::kText;
  line.AddFlag("--all", &selection.all, "Dead processes, too");
  AddDirectoryOption(&line, &selection.directory);
  AddFormatOption(&line, &format);
  if (const auto exit_code = line.Parse("ps", arguments)) return *exit_code;

  Collected collected = Collect(selection);
  for (const std::string& sentence : collected.incomplete) Diagnose("incomplete: " + sentence);
  const bool complete = collected.incomplete.empty();
  const ProcessList list =
      BuildProcessList(collected.snapshots, std::move(collected.incomplete), CurrentOccasion());
  if (format == Format::kJson) {
    RenderProcessListJson(list, std::cout);
  } else {
    RenderProcessListText(list, WantsColour(STDOUT_FILENO), std::cout);
  }
  const int written = FinishOutput();
  return complete ? written : kFailed;
}

}  // namespace pqleash::reporter
