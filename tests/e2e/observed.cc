// SPDX-License-Identifier: Apache-2.0

#include "tests/e2e/observed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <ostream>

namespace pqleash::testing {

Command Observed::Preloaded(const Words& words) const {
  return {.arguments = words,
          .environment = {{"LD_PRELOAD", PQLEASH_TEST_LIBRARY}, {"PQLEASH_DIR", ledgers()}}};
}

Command Observed::UnderRun(const Words& words, const Words& options) const {
  Words arguments = {PQLEASH_TEST_TOOL, "run"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), words.begin(), words.end());
  return {.arguments = arguments,
          .environment = {{"LD_PRELOAD", std::nullopt}, {"PQLEASH_DIR", ledgers()}}};
}

Command Observed::ToolCommand(const Words& words) const {
  Words arguments = {PQLEASH_TEST_TOOL};
  arguments.insert(arguments.end(), words.begin(), words.end());
  return {.arguments = arguments, .environment = {{"PQLEASH_DIR", ledgers()}}};
}

Outcome Observed::Tool(const Words& words) const { return RunToEnd(ToolCommand(words)); }

Json Observed::Report(const Words& options) const {
  Words words = {"report", "--all", "--format", "json"};
  words.insert(words.end(), options.begin(), options.end());
  const Outcome outcome = Tool(words);
  EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome) << '\n' << outcome.err;
  Json report = Json::parse(outcome.out, nullptr, false);
  if (report.is_discarded()) {
    ADD_FAILURE() << "not JSON: " << outcome.out;
    return nullptr;
  }
  EXPECT_EQ(report.value("schema", ""), "pqleash.report/1");
  return report;
}

Totals TotalsOf(const Json& report) {
  Totals totals;
  if (!report.is_object()) return totals;
  for (const Json& process : report["processes"]) {
    ++totals.processes;
    totals.open += process["open"].get<uint64_t>();
    totals.opened += process["opened_total"].get<uint64_t>();
    totals.closed += process["closed_total"].get<uint64_t>();
    totals.failed += process["failed_total"].get<uint64_t>();
  }
  return totals;
}

std::ostream& operator<<(std::ostream& stream, const Totals& totals) {
  return stream << totals.processes << " processes, " << totals.open << " open, " << totals.opened
                << " opened, " << totals.closed << " closed, " << totals.failed << " failed";
}

Json FrameIn(const Json& call_site, const std::string& function) {
  if (!call_site.is_object()) return nullptr;
  for (const Json& frame : call_site["frames"]) {
    const Json name = frame.value("function", Json());
    if (name.is_string() && name.get<std::string>().find(function) != std::string::npos)
      return frame;
  }
  return nullptr;
}

Json CallSiteIn(const Json& report, const std::string& function) {
  if (!report.is_object()) return nullptr;
  for (const Json& call_site : report["call_sites"]) {
    if (!FrameIn(call_site, function).is_null()) return call_site;
  }
  return nullptr;
}

Json FindingOf(const Json& report, const std::string& kind) {
  if (!report.is_object()) return nullptr;
  for (const Json& finding : report["findings"]) {
    if (finding["kind"] == kind) return finding;
  }
  return nullptr;
}

std::string Psql(const std::string& query) {
  const Outcome outcome = RunToEnd({.arguments = {"psql", "-XAtqc", query}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return outcome.out.substr(0, outcome.out.find('\n'));
}

std::string ServerProgram(const std::string& name) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    const auto path = version.path() / "bin" / name;
    if (std::filesystem::exists(path)) found.push_back(path);
  }
  return found.empty() ? name : *std::max_element(found.begin(), found.end());
}

}  // namespace pqleash::testing
