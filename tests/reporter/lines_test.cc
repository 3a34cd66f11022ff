// SPDX-License-Identifier: Apache-2.0
//
// One helper that many call: by how many callers a fault of its connections is told.

#include "reporter/findings/lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "reporter/call_sites/told_apart.h"
#include "reporter/report/report_builder.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr uint64_t kNow = 100'000 * kSecond;

SourceFrame Frame(const std::string& function, const std::string& file, uint32_t line) {
  SourceFrame frame;
  frame.function = function;
  frame.file = file;
  frame.line = line;
  frame.language = Language::kPython;
  return frame;
}

// One process with a call site for each of `callers`, all of which connect in one helper.
struct Program {
  std::vector<Snapshot> snapshots = std::vector<Snapshot>(1);
  std::vector<CallSiteGroup> groups;
  std::vector<Reachability> reachability = std::vector<Reachability>(1);

  explicit Program(const std::vector<std::string>& callers, ConnectionState state) {
    Snapshot& snapshot = snapshots[0];
    snapshot.process.life = Life::kLive;
    snapshot.process.service = "orders";
    snapshot.as_of_ns = kNow;
    snapshot.targets.resize(1);
    snapshot.call_sites.resize(1);
    for (size_t i = 0; i < callers.size(); ++i) {
      CallSite site;
      site.id = 10 + i;
      site.opened = site.open = 1;
      snapshot.call_sites.push_back(site);
      Connection connection;
      connection.call_site = static_cast<uint32_t>(i + 1);
      connection.state = state;
      connection.opened_ns = connection.established_ns = kNow - 900 * kSecond;
      connection.last_activity_ns = kNow - 800 * kSecond;
      snapshot.connections.push_back(connection);
    }
    groups = GroupCallSites(snapshots);
    for (CallSiteGroup& group : groups) {
      if (group.id == 0) continue;
      group.frames = {Frame("Open", "/srv/db.py", 18),
                      Frame(callers[group.id - 10], "/srv/orders.py", 32)};
    }
    TellApart({}, &groups);
  }

  std::vector<Finding> Of(const std::string& kind, bool by_functions = false) const {
    Observation observation = {snapshots, groups, {}, {}, reachability};
    observation.by_functions = by_functions;
    std::vector<Finding> found = FindAll(observation);
    std::erase_if(found, [&](const Finding& finding) { return finding.kind != kind; });
    return found;
  }
};

TEST(Lines, AFewCallersHaveFindingsOfTheirOwn) {
  const auto found = Program({"A", "B", "C"}, ConnectionState::kBroken).Of("server-closed");
  ASSERT_EQ(found.size(), 3u);
  for (const Finding& finding : found) {
    EXPECT_EQ(finding.connections, 1u);
    EXPECT_THAT(finding.summary, HasSubstr("called by "));
    EXPECT_TRUE(finding.other_sites.empty());
  }
}

TEST(Lines, OfManyCallersTheLineIsOne) {
  std::vector<std::string> callers;
  for (int i = 0; i < 20; ++i) callers.push_back("Caller" + std::to_string(i));
  for (const auto& [kind, state] :
       {std::pair("server-closed", ConnectionState::kBroken),
        std::pair("unfinished-failed-connect", ConnectionState::kFailed),
        std::pair("never-used", ConnectionState::kEstablished)}) {
    const auto found = Program(callers, state).Of(kind);
    ASSERT_EQ(found.size(), 1u) << kind;
    EXPECT_EQ(found[0].connections, 20u) << kind;
    EXPECT_EQ(found[0].call_site, 10u) << kind;
    EXPECT_EQ(found[0].other_sites.size(), 19u) << kind;
    EXPECT_THAT(found[0].summary, HasSubstr("Open (/srv/db.py:18), called from 20 places"));
    EXPECT_THAT(found[0].summary, Not(HasSubstr("called by")));
  }
}

TEST(Lines, LostHandlesOfManyCallersAreOneFinding) {
  Program program({"A", "B", "C", "D"}, ConnectionState::kEstablished);
  program.reachability[0].connections.assign(4, {Reach::kLostProven, "", ""});
  const auto found = program.Of("lost-handle");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0].summary, StartsWith("4 connections opened by Open (/srv/db.py:18)"));
  // Of the one that is lost the caller is told, however many others there are.
  for (size_t i = 1; i < 4; ++i) program.reachability[0].connections[i] = {Reach::kHeld, "", ""};
  const auto one = program.Of("lost-handle");
  ASSERT_EQ(one.size(), 1u);
  EXPECT_THAT(one[0].summary, HasSubstr("called by A (/srv/orders.py:32)"));
}

TEST(Lines, WhatNoCallerTellsApartIsOne) {
  const auto found = Program({"A", "A"}, ConnectionState::kBroken).Of("server-closed");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].connections, 2u);
}

// A suppression of one caller must not take those of the others out of an audit.
TEST(Lines, AreToldApartByFunctionsWhereThatIsAskedFor) {
  const Program program({"A", "B", "C", "D", "A"}, ConnectionState::kBroken);
  EXPECT_EQ(program.Of("server-closed").size(), 1u);
  EXPECT_EQ(program.Of("server-closed", true).size(), 4u);
}

}  // namespace
}  // namespace pqleash::reporter
