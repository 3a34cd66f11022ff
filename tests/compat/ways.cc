// SPDX-License-Identifier: Apache-2.0

#include "tests/compat/ways.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace pqleash::testing {
namespace {

// Each matches every connect, by all that a cap can ask for, and none is ever reached.
constexpr const char* kFarCaps = R"([[cap]]
name = "far"
scope = "service"
limit = 5000
on_limit = "reject"
[[cap]]
name = "far, by name"
host = "*"
dbname = "*"
application_name = "*"
scope = "process"
limit = 5000
on_limit = "wait"
[[pace]]
name = "far pace"
rate = "100000/s"
burst = 10000
)";

}  // namespace

std::string NameOf(Way way) {
  switch (way) {
    case Way::kBare:
      return "bare";
    case Way::kRecorded:
      return "recorded";
    case Way::kCapped:
      return "capped";
  }
  return {};
}

std::string Everything(const std::string& text) { return text; }

std::string WithoutPids(const std::string& text) {
  static const std::regex pid("(PID |pid=|pid |process )[0-9]+");
  return std::regex_replace(text, pid, "$1N");
}

Shown Only(const std::string& expression) {
  return [regex = std::regex(expression)](const std::string& text) {
    std::istringstream lines(text);
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
      if (std::regex_search(line, regex)) kept += line + '\n';
    }
    return kept;
  };
}

std::string OutputOf(const Words& words, const std::string& input) {
  const Outcome outcome = RunToEnd({.arguments = words,
                                    .environment = {{"LD_PRELOAD", std::nullopt}},
                                    .input = input,
                                    .limit = std::chrono::seconds(120)});
  EXPECT_EQ(outcome.exit_code, 0) << words[0] << ": " << HowItEnded(outcome) << '\n' << outcome.err;
  return outcome.out;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string Program(const std::string& name) {
  return std::string(PQLEASH_TEST_COMPAT_PROGRAMS) + "/" + name;
}
std::string Source(const std::string& name) {
  return std::string(PQLEASH_TEST_COMPAT_SOURCES) + "/" + name;
}

void Compatible::SetUp() {
  ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
  WriteFile(observed_.file("caps.toml"), kFarCaps);
  for (const Way way : kWays) std::filesystem::create_directory(DirectoryOf(way));
}

void Compatible::MakeDatabase() const {
  OutputOf({"psql", "-XAtq", "-d", "postgres", "-c", "DROP DATABASE IF EXISTS work WITH (FORCE)",
            "-c", "CREATE DATABASE work"});
  if (!schema_.empty())
    OutputOf({"psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "work", "-f", "-"}, schema_);
}

Command Compatible::Prepared(Way way, Command command) const {
  auto& environment = command.environment;
  environment.insert({{"PGDATABASE", "work"}, {"LC_ALL", "C.UTF-8"}, {"TZ", "UTC"}});
  environment["LD_PRELOAD"] = std::nullopt;
  if (way == Way::kBare) return command;
  environment["LD_PRELOAD"] = PQLEASH_TEST_LIBRARY;
  environment["PQLEASH_SERVICE"] = "compat";
  environment["PQLEASH_DIR"] = observed_.file("ledgers-" + NameOf(way));
  if (way == Way::kCapped) environment["PQLEASH_CONFIG"] = observed_.file("caps.toml");
  return command;
}

// The counters of caps are gone with the last process that has them: one that holds nothing stays.
std::unique_ptr<Subprocess> Compatible::KeepBoard(Way way) const {
  if (way != Way::kCapped) return nullptr;
  auto keeper = std::make_unique<Subprocess>(Prepared(
      way,
      {.arguments = {Program("connect"), "host=/no/such/directory", "-"}, .hold_input = true}));
  EXPECT_TRUE(keeper->WaitForOutput("waiting"));
  return keeper;
}

// A test that compares bare with bare would compare nothing.
void Compatible::ExpectRecorded(Way way) const {
  if (way == Way::kBare) return;
  const auto ask = [&](const Words& words) {
    Words arguments = {PQLEASH_TEST_TOOL};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Outcome outcome =
        RunToEnd({.arguments = arguments,
                  .environment = {{"PQLEASH_DIR", observed_.file("ledgers-" + NameOf(way))}}});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return Json::parse(outcome.out, nullptr, false);
  };
  const Json report = ask({"report", "--all", "--no-scan", "--format", "json"});
  ASSERT_FALSE(report.is_discarded());
  const Totals totals = TotalsOf(report);
  EXPECT_GT(records_ ? totals.opened : totals.failed, 0u) << NameOf(way);
  if (way != Way::kCapped) return;
  const Json caps = ask({"caps", "--format", "json"});
  ASSERT_FALSE(caps.is_discarded());
  const std::string text = caps.dump();
  EXPECT_TRUE(std::regex_search(text, std::regex("\"admitted_total\":[1-9]"))) << text;
  EXPECT_FALSE(std::regex_search(text, std::regex("\"refused_total\":[1-9]"))) << text;
}

void Compatible::ExpectSame(const MakeCommand& make, const Shown& shown) {
  for (const Way way : kWays) {
    SCOPED_TRACE(NameOf(way));
    if (way == Way::kBare || !same_database_) MakeDatabase();
    const auto keeper = KeepBoard(way);
    const Outcome outcome = RunToEnd(Prepared(way, make(DirectoryOf(way))));
    if (way == Way::kBare) {
      bare_ = outcome;
      EXPECT_FALSE(outcome.timed_out);
      EXPECT_FALSE(shown(outcome.out).empty() && shown(outcome.err).empty())
          << "nothing is compared: " << outcome.out << outcome.err;
    } else {
      EXPECT_EQ(HowItEnded(outcome), HowItEnded(bare_)) << outcome.err;
      EXPECT_EQ(shown(outcome.out), shown(bare_.out));
      EXPECT_EQ(shown(outcome.err), shown(bare_.err));
      ExpectRecorded(way);
    }
    if (after_) after_(DirectoryOf(way));
  }
}

void Compatible::ExpectSameFile(const std::string& name) const {
  const std::string expected = ReadFile(DirectoryOf(Way::kBare) + "/" + name);
  EXPECT_FALSE(expected.empty()) << name;
  for (const Way way : kWays) {
    // Not EXPECT_EQ: megabytes in a message help nobody.
    EXPECT_TRUE(ReadFile(DirectoryOf(way) + "/" + name) == expected)
        << name << " differs between bare and " << NameOf(way);
  }
}

}  // namespace pqleash::testing
