// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/audit_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "reporter/audit/judge.h"
#include "reporter/commands/command.h"
#include "reporter/commands/fail_on.h"
#include "reporter/commands/options.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/duration.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

constexpr char kDescription[] =
    "Run a program with all the processes that come from it, and report once, for all of them, on "
    "the connections that they left behind: each finding with the stack that opened them. For "
    "tests: exits with 3 where there are findings and the program itself succeeded.";

constexpr char kFooter[] =
    "The program follows after two dashes: pqleash audit [OPTIONS] -- COMMAND [ARGUMENTS...]\n"
    "\n"
    "What is found\n"
    "  lost-handle                proven: nothing in the process referred to the connection\n"
    "  fork-shared                proven: used by two processes, after a fork\n"
    "  idle-in-transaction        likely: open in a transaction when the process ended\n"
    "  leak-suspect               likely: open when the process ended\n"
    "  unfinished-failed-connect  proven: connect failed, handle never passed to PQfinish\n"
    "A process has ended when it called exit() or returned from main. Of one that did not (it was "
    "killed, crashed, left with _exit(), or is a Go program) the connections that were idle are "
    "judged by what it had written down; those in use are noted, and judged only with "
    "--judge-killed. One that still runs when the audit ends is judged as by `pqleash "
    "report`, and goes on.\n"
    "\n"
    "Suppressions, one a line, as for LeakSanitizer\n"
    "  leak:PATTERN    a function, file or module of any frame of the stack\n"
    "  dbname:PATTERN  the database of the connections\n"
    "  # comment\n"
    "A pattern is looked for anywhere; * stands for any text, ^ in front for the beginning, $ at "
    "the end for the end.\n"
    "\n"
    "A baseline is an audit's JSON. Findings are known by kind and call site, and where the code "
    "around them was edited by kind, functions and file names of the stack.\n"
    "\n"
    "Exit codes: that of the program where it is not 0 (a signal as a signal): findings are "
    "reported all the same. Otherwise 0 nothing fails, 1 the audit failed, is incomplete or has "
    "seen no process that connects through libpq (but for --allow-unseen), 2 wrong "
    "usage, 3 findings at or above --fail-on; 126 the program cannot be executed, 127 it is not "
    "found. Where a file that is given cannot be used, the program is not run.";

std::string KindNames() {
  std::string names;
  for (const std::string_view kind : AuditKinds())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", kind);
  return names;
}

void AddKindsOption(CommandLine* line, std::vector<std::string>* kinds) {
  const auto take = [kinds](const std::vector<std::string>& given) -> Complaint {
    const auto known = AuditKinds();
    for (const std::string& kind : given) {
      if (kind == "all") {
        kinds->assign(known.begin(), known.end());
        return {};
      }
      if (std::find(known.begin(), known.end(), kind) == known.end()) {
        return fmt::format("'{}' is no kind of finding, expected all or some of {}", kind,
                           KindNames());
      }
    }
    *kinds = given;
    return {};
  };
  line->AddTakenList("--kinds", "LIST", take,
                     "Kinds of finding to look for, with commas between (default: those below; "
                     "all: also those about how a service lives)");
}

void AddAuditFormatOption(CommandLine* line, AuditFormat* format) {
  const auto take = [format](const std::string& text) -> Complaint {
    if (text == "text") {
      *format = AuditFormat::kText;
    } else if (text == "json") {
      *format = AuditFormat::kJson;
    } else if (text == "junit") {
      *format = AuditFormat::kJunit;
    } else if (text == "sarif") {
      *format = AuditFormat::kSarif;
    } else {
      return fmt::format("'{}' is no format, expected text, json, junit or sarif", text);
    }
    return {};
  };
  line->AddTaken("--format", "FORMAT", take,
                 "Format of the result: text (default), json, junit or sarif");
}

void AddOptions(CommandLine* line, AuditOptions* options) {
  AddFailOnOption(line,
                  "Fail on findings that are critical, at least warning, at least info, proven, or "
                  "at least likely (default: likely); others are reported",
                  &options->fail_on);
  AddKindsOption(line, &options->kinds);
  line->AddFlag("--judge-killed", &options->judge_killed,
                "Of processes that did not come to exit() judge the connections that were in use, "
                "too");
  line->AddText("--baseline", "FILE", &options->baseline,
                "Fail only on what is not in this file, which --write-baseline or --format json "
                "wrote");
  line->AddText("--write-baseline", "FILE", &options->write_baseline,
                "Write what was found to this file, and do not fail on it");
  line->AddTexts("--suppress", "FILE", &options->suppressions,
                 "Do not fail on what this file names (see below). May be repeated");
  AddAuditFormatOption(line, &options->format);
  line->AddText("--output", "FILE", &options->output,
                "Write the result to this file; '-' is stdout, which the program writes to, too "
                "(default: stderr, for text alone)");
  AddDurationOption(line, "--linger",
                    "Wait for so long, after the program has ended, for processes that it left "
                    "(default: 5s)",
                    &options->linger_ns);
  line->AddText("--keep-ledgers", "DIR", &options->keep_ledgers,
                "Have the ledgers in this directory, and leave them there (default: in a private "
                "one that is removed; PQLEASH_DIR is not used)");
  line->AddTexts("--library-path", "GLOB", &options->library_paths,
                 "Take scripts whose path matches for a library's, as `pqleash report` does. May "
                 "be repeated");
  line->AddFlag("--allow-unseen", &options->allow_unseen,
                "Do not fail where no process was seen to connect through libpq");
  line->AddFlag("--native", &options->native_frames,
                "Show the interpreter's own frames in stacks of scripts, too (text)");
  AddLaunchOptions(line, &options->launch);
}

}  // namespace

std::optional<int> ParseAudit(const Arguments& arguments, AuditOptions* options) {
  CommandLine line(kDescription);
  line.SetFooter(kFooter);
  options->launch.name = "audit";
  options->kinds.assign(DefaultAuditKinds().begin(), DefaultAuditKinds().end());
  AddOptions(&line, options);
  if (auto exit_code = ParseLaunch(arguments, &line, &options->launch)) return exit_code;
  if (options->format != AuditFormat::kText && options->output.empty()) {
    Diagnose(
        "audit: this --format is for programs, and needs --output FILE ('-' for stdout): stdout "
        "and stderr are the audited program's");
    return kUsage;
  }
  if (!options->fail_on) options->fail_on = FindingLevel{};
  if (!options->linger_ns) options->linger_ns = 5 * kSecond;
  // The program may start elsewhere than we did.
  std::error_code error;
  if (!options->keep_ledgers.empty())
    options->keep_ledgers = std::filesystem::absolute(options->keep_ledgers, error);
  return std::nullopt;
}

}  // namespace pqleash::reporter
