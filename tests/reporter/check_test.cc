// SPDX-License-Identifier: Apache-2.0
//
// `pqleash check`: what it prints, and its exit codes. What is a problem is tested with the
// configuration itself.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"
#include "tests/reporter/subprocess.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kGood = R"(service = "billing"

[[cap]]
name = "billing-db"
dbname = "billing*"
scope = "service"
limit = 20
on_limit = "wait"
max_waiting = 100

[[pace]]
name = "no storms"
call_site = "3f2a9c01b2d4e5f6"
rate = "0.5/s"
burst = 5
on_server_full = "backoff"
)";

class CheckTest : public ::testing::Test {
 protected:
  using Variables = std::vector<std::pair<std::string, std::string>>;

  Outcome Check(std::vector<std::string> arguments, const Variables& variables = {}) {
    arguments.insert(arguments.begin(), {PQLEASH_TOOL, "check"});
    return Execute(arguments, variables);
  }

  std::string Write(const std::string& text) {
    WriteFile(path_, text);
    return path_;
  }

  ScratchDirectory directory_;
  const std::string path_ = directory_.Path("pqleash.toml");
};

TEST_F(CheckTest, AGoodFileIsWhatWouldBeInForce) {
  const Outcome outcome = Check({Write(kGood)}, {{"PQLEASH_STACK_DEPTH", "64"}});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, path_ + ": no problem\n" +
                             "Caps and paces (2)\n"
                             "  cap billing-db  " +
                             path_ +
                             ":3\n"
                             "    allows:  at most 20 connections\n"
                             "    counted: in all processes of the service together\n"
                             "    beyond:  wait for up to 5s, then it is refused; refused at once "
                             "where 100 wait; an asynchronous one that\n"
                             "             cannot wait is refused\n"
                             "    for:     dbname=billing*\n"
                             "  pace no storms  " +
                             path_ +
                             ":11\n"
                             "    allows:  at most 30 connects a minute, 5 at once; one connect "
                             "at a time, at growing intervals, while the\n"
                             "             server is full\n"
                             "    counted: in all processes of the service together\n"
                             "    beyond:  wait for up to 5s, then it is refused; an asynchronous "
                             "one that cannot wait is refused\n"
                             "    for:     call_site=3f2a9c01b2d4e5f6\n"
                             "Settings (2)\n"
                             "  service = billing  " +
                             path_ +
                             ":1\n"
                             "  stack_depth = 64  PQLEASH_STACK_DEPTH\n");
}

TEST_F(CheckTest, AGoodFileAsJson) {
  const Outcome outcome = Check({Write(kGood), "--format", "json"}, {{"PQLEASH_LIMIT", "9"}});
  EXPECT_EQ(outcome.exit_code, 0);
  const nlohmann::json json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["schema"], "pqleash.check/1");
  EXPECT_EQ(json["file"], path_);
  EXPECT_EQ(json["problems"], nlohmann::json::array());
  ASSERT_EQ(json["policies"].size(), 3u);
  EXPECT_EQ(json["policies"][0], nlohmann::json::parse(R"({
    "kind": "cap", "name": "billing-db", "source": ")" +
                                                       path_ + R"(:3", "scope": "service",
    "limit": 20, "rate": null, "burst": null, "on_server_full": null, "on_limit": "wait",
    "wait_timeout_ms": 5000, "max_waiting": 100, "async_fallback": "reject", "host": null,
    "port": null, "dbname": "billing*", "user": null, "application_name": null, "call_site": null
  })"));
  EXPECT_EQ(json["policies"][1], nlohmann::json::parse(R"({
    "kind": "pace", "name": "no storms", "source": ")" +
                                                       path_ + R"(:11", "scope": "service",
    "limit": null, "rate": "30/m", "burst": 5, "on_server_full": "backoff", "on_limit": "wait",
    "wait_timeout_ms": 5000, "max_waiting": null, "async_fallback": "reject", "host": null,
    "port": null, "dbname": null, "user": null, "application_name": null,
    "call_site": "3f2a9c01b2d4e5f6"
  })"));
  EXPECT_EQ(json["policies"][2]["name"], "limit");
  EXPECT_EQ(json["policies"][2]["source"], "PQLEASH_LIMIT");
  EXPECT_EQ(json["policies"][2]["wait_timeout_ms"], nullptr);
  EXPECT_EQ(json["settings"], nlohmann::json::parse(R"([
    {"name": "service", "value": "billing", "source": ")" +
                                                    path_ + R"(:1"},
    {"name": "limit", "value": "9", "source": "PQLEASH_LIMIT"}
  ])"));
}

TEST_F(CheckTest, ProblemsAreALineEach) {
  const std::string path = Write("[[cap]]\nname = \"a\"\nlimit = 0\nlog = \"off\"\n");
  const Outcome outcome = Check({path});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out,
            path +
                ":3: '0' is no value for limit of cap 'a': expected a whole number of "
                "connections from 1 to 1000000\n" +
                path +
                ":4: 'log' of cap 'a' is a setting of the whole file: write it above the "
                "first [[cap]] or [[pace]]\n" +
                path +
                ": 2 problems: no cap or pace of this configuration is in force (observe "
                "only) until they are mended\n");
  const Outcome json = Check({path, "--format", "json"});
  EXPECT_EQ(json.exit_code, 3);
  const nlohmann::json document = nlohmann::json::parse(json.out);
  EXPECT_EQ(document["problems"].size(), 3u);
  EXPECT_EQ(document["policies"], nlohmann::json::array());
}

TEST_F(CheckTest, TheEnvironmentCounts) {
  const std::string path = Write(kGood);
  const Variables variables = {{"PQLEASH_LIMIT", "-5"}, {"PQLEASH_CONFIG", path}};
  const Outcome with = Check({}, variables);
  EXPECT_EQ(with.exit_code, 3);
  EXPECT_THAT(with.out, HasSubstr("PQLEASH_LIMIT: '-5' is no value for limit"));
  const Outcome without = Check({"--no-environment"}, variables);
  EXPECT_EQ(without.exit_code, 0);
  EXPECT_THAT(without.out, HasSubstr(path + ": no problem\n"));
  // FILE wins over PQLEASH_CONFIG.
  const Outcome file = Check({path}, {{"PQLEASH_CONFIG", "/nowhere.toml"}});
  EXPECT_EQ(file.exit_code, 0) << file.err;
}

TEST_F(CheckTest, NothingConfiguredIsFine) {
  const Outcome outcome = Check({});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out,
            "Nothing is configured: no file, and no PQLEASH_ variable with a setting. The library "
            "observes only.\n");
  const Outcome json = Check({"--format", "json"});
  EXPECT_EQ(json.exit_code, 0);
  EXPECT_EQ(nlohmann::json::parse(json.out)["file"], nullptr);
  const Outcome empty = Check({Write("")});
  EXPECT_EQ(empty.exit_code, 0);
  EXPECT_EQ(empty.out, path_ + ": no problem\nNo cap and no pace: the library observes only.\n");
}

TEST_F(CheckTest, AFileThatCannotBeReadIsAFailure) {
  for (const std::vector<std::string>& format :
       {std::vector<std::string>{}, {"--format", "json"}}) {
    std::vector<std::string> arguments = {directory_.Path("none")};
    arguments.insert(arguments.end(), format.begin(), format.end());
    const Outcome outcome = Check(arguments);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "pqleash: check: cannot read '" + directory_.Path("none") +
                               "': No such file or directory; see `pqleash check --help`\n");
  }
  const Outcome directory = Check({}, {{"PQLEASH_CONFIG", directory_.path()}});
  EXPECT_EQ(directory.exit_code, 1);
  EXPECT_THAT(directory.err, HasSubstr("it is no regular file"));
}

TEST_F(CheckTest, WhatTheFileSaysIsEscaped) {
  for (const char* text :
       {"[[cap]]\nname = \"a\"\nlimit = 1\nuser = \"\\u001b[2J\"\n", "\"\\u001b[2J\" = 1\n",
        "[[cap]]\nname = \"a\"\nlimit = 1\nuser = \"\xe2\x80\xae\"\n", "\x1b[2J"}) {
    const Outcome outcome = Check({Write(text)});
    EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b"))) << text;
    EXPECT_THAT(outcome.out, Not(HasSubstr("\xe2\x80\xae"))) << text;
    EXPECT_NE(outcome.out, "");
  }
}

}  // namespace
}  // namespace pqleash::reporter
