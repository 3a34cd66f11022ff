// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "reporter/advice/advice.h"
#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/observe/collect.h"
#include "reporter/observe/collect_caps.h"
#include "reporter/observe/pipeline.h"
#include "reporter/render/advice_json.h"
#include "reporter/render/advice_text.h"
#include "reporter/render/advice_toml.h"
#include "reporter/symbols/symboliser.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

enum class AdviceFormat { kText, kJson, kToml };

struct Options {
  Selection selection;
  AdviceOptions advice;
  AdviceFormat format = AdviceFormat::kText;
};

void AddAdviceFormatOption(CommandLine* line, AdviceFormat* format) {
  const auto take = [format](const std::string& text) -> Complaint {
    if (text == "text") {
      *format = AdviceFormat::kText;
    } else if (text == "json") {
      *format = AdviceFormat::kJson;
    } else if (text == "toml") {
      *format = AdviceFormat::kToml;
    } else {
      return fmt::format("'{}' is no format, expected text, json or toml", text);
    }
    return {};
  };
  line->AddTaken("--format", "FORMAT", take,
                 "Format of the result: text (default), json, or toml: a configuration of one "
                 "service");
}

void AddHeadroomOption(CommandLine* line, uint32_t* percent) {
  const auto take = [percent](const std::string& text) -> Complaint {
    std::string digits = text;
    if (!digits.empty() && digits.back() == '%') digits.pop_back();
    const bool number = !digits.empty() && digits.size() <= 4 &&
                        digits.find_first_not_of("0123456789") == std::string::npos;
    if (!number || std::stoi(digits) > 1'000) {
      return fmt::format("'{}' is no headroom, expected per cent from 0 to 1000, such as 25%",
                         text);
    }
    *percent = static_cast<uint32_t>(std::stoi(digits));
    return {};
  };
  line->AddTaken("--headroom", "P%", take,
                 "What to add to what was needed at the peak, in per cent (default: 25)");
}

void AddOptions(CommandLine* line, Options* options) {
  Selection& selection = options->selection;
  line->AddTexts("--service", "NAME", &selection.services, "Only this service. May be repeated");
  line->AddNumbers("--pid", "PID", kPids, &selection.pids,
                   "Only this process; for a dead one its newest ledger. May be repeated");
  line->AddFlag("--all", &selection.all, "Dead processes, too");
  line->AddOperands("LEDGER", &selection.ledgers, "Only these files");
  AddDirectoryOption(line, &selection.directory);
  AddHeadroomOption(line, &options->advice.headroom_percent);
  line->AddNumber(
      "--max", "N", {1, 1'000'000},
      [options](int32_t max) { options->advice.max = static_cast<uint64_t>(max); },
      "Slots of the server that these services share: says whether the limits fit, and lowers "
      "them where they do not; then each service has a limit");
  line->AddTexts("--library-path", "GLOB", &options->advice.library_paths,
                 "As of `pqleash report`: scripts that are a library's. May be repeated");
  AddAdviceFormatOption(line, &options->format);
}

// A configuration cannot tell services apart: each reads its own. An empty sentence: it is one.
std::string WhyNoConfiguration(const Advice& advice) {
  if (advice.services.empty()) return "there is no process with a ledger to propose anything for";
  if (advice.services.size() == 1) return {};
  std::string names;
  for (const ServiceAdvice& service : advice.services) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", service.service);
  }
  return fmt::format(
      "advise: a configuration is for one service, and there are {}: {}; choose with --service "
      "NAME",
      advice.services.size(), names);
}

}  // namespace

int RunAdvise(const Arguments& arguments) {
  CommandLine line(
      "Say whether limits are needed, and propose them from what was measured, with the "
      "arithmetic.");
  line.SetFooter(
      "Who never met a full server needs none; who has filled it gets what was in use at once at "
      "the "
      "peak, and --headroom. Ask after the busiest time of the day.\n"
      "--format toml writes a configuration for PQLEASH_CONFIG; `pqleash check` accepts it.");
  Options options;
  AddOptions(&line, &options);
  if (const auto exit_code = line.Parse("advise", arguments)) return *exit_code;

  Collected collected = Collect(options.selection);
  if (!collected.incomplete.empty() && collected.snapshots.empty() &&
      options.format != AdviceFormat::kJson) {
    DiagnoseIncomplete(collected.incomplete);
    return kFailed;
  }
  if (options.selection.ledgers.empty())
    collected.caps = CollectCapsOf(collected.snapshots, options.selection.directory);
  Symboliser symboliser;
  const Analysis analysis =
      AnalyseWithProgress(std::move(collected), &symboliser, options.advice.library_paths);
  Advice advice = Advise(analysis.collected.snapshots, analysis.call_sites, analysis.collected.caps,
                         options.advice, analysis.occasion);
  advice.incomplete = analysis.collected.incomplete;
  DiagnoseIncomplete(advice.incomplete);
  switch (options.format) {
    case AdviceFormat::kText:
      RenderAdviceText(advice, WantsColour(STDOUT_FILENO), std::cout);
      break;
    case AdviceFormat::kJson:
      RenderAdviceJson(advice, std::cout);
      break;
    case AdviceFormat::kToml:
      if (const std::string sentence = WhyNoConfiguration(advice); !sentence.empty()) {
        Diagnose(sentence);
        return advice.services.empty() ? kFailed : kUsage;
      }
      RenderAdviceToml(advice, advice.services.front(), std::cout);
      break;
  }
  return FinishOutput() != kFine || !advice.incomplete.empty() ? kFailed : kFine;
}

}  // namespace pqleash::reporter
