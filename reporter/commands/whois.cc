// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/whois.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "reporter/commands/ask_server.h"
#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/observe/collect.h"
#include "reporter/observe/pipeline.h"
#include "reporter/report/whois.h"
#include "reporter/symbols/symboliser.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

struct WhoisOptions {
  int32_t backend_pid = 0;
  Selection selection;
  std::optional<std::string> dsn;
  Format format = Format::kText;
  bool native_frames = false;
};

// Not 0, which stands for 'not known'. A server's are positive; those that PgBouncer makes up for
// its clients need not be.
std::optional<int32_t> ParsePid(const std::string& text) {
  int32_t pid = 0;
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, pid);
  if (error != std::errc() || parsed != end || pid == 0) return std::nullopt;
  return pid;
}

std::optional<int> ParseWhois(const Arguments& arguments, WhoisOptions* options) {
  CommandLine line(
      "Say which process, thread and line of code opened the connection that a server's backend "
      "serves: BACKEND_PID is 'pid' of pg_stat_activity.");
  line.SetFooter("Exits with 1 where no ledger knows the backend, or the server cannot be asked.");
  const auto take = [options](const std::string& text) -> Complaint {
    const auto pid = ParsePid(text);
    if (!pid) {
      return fmt::format(
          "'{}' is no process id, expected a number as 'pid' of pg_stat_activity has it", text);
    }
    options->backend_pid = *pid;
    return {};
  };
  line.AddTaken("BACKEND_PID", "", take, "The backend");
  line.Require("BACKEND_PID");
  line.AddFlag("--all", &options->selection.all, "Look at the ledgers of dead processes, too");
  AddDirectoryOption(&line, &options->selection.directory);
  AddDsnOption(&line, "Show what the server says of the backend, too", &options->dsn);
  line.AddFlag("--native", &options->native_frames,
               "Show the interpreter's own frames in stacks of scripts, too (text)");
  AddFormatOption(&line, &options->format);
  return line.Parse("whois", arguments);
}

}  // namespace

int RunWhois(const Arguments& arguments) {
  WhoisOptions options;
  if (const auto exit_code = ParseWhois(arguments, &options)) return *exit_code;
  Whois whois;
  whois.backend_pid = options.backend_pid;
  std::optional<std::string> problem;
  const std::optional<ServerView> view = AskServer(options.dsn, &problem);
  if (problem) whois.incomplete.push_back(*problem);
  Collected collected = Collect(options.selection);
  whois.ledgers = collected.snapshots.size();
  whois.connections = KeepBackend(options.backend_pid, &collected.snapshots);
  Symboliser symboliser;
  AnalysisOptions only;
  only.connected_only = true;
  const Analysis analysis = Analyse(std::move(collected), &symboliser, only);
  const std::vector<std::string>& missing = analysis.collected.incomplete;
  whois.incomplete.insert(whois.incomplete.end(), missing.begin(), missing.end());
  whois.generated_realtime_ns = analysis.occasion.realtime_ns;
  whois.host = analysis.occasion.host;
  AddMatches(ReportOn(analysis, {}), analysis.collected.snapshots, view ? &*view : nullptr, &whois);

  DiagnoseIncomplete(whois.incomplete);
  if (options.format == Format::kJson) {
    RenderWhoisJson(whois, std::cout);
  } else {
    RenderWhoisText(whois, {WantsColour(STDOUT_FILENO), options.native_frames}, std::cout);
  }
  const int written = FinishOutput();
  if (whois.matches.empty()) Diagnose(WhyNoMatch(whois, geteuid() == 0));
  return whois.matches.empty() || !whois.incomplete.empty() ? kFailed : written;
}

}  // namespace pqleash::reporter
