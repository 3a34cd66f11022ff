// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/report_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "reporter/render/diff.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SavedCallSite Site(const std::string& id, uint64_t open, uint64_t opened = 10,
                   uint64_t failed = 0) {
  SavedCallSite site;
  site.id = id;
  site.open = open;
  site.opened = opened;
  site.failed = failed;
  return site;
}

SavedFinding Found(const std::string& kind, const std::string& site,
                   const std::string& standing = "") {
  SavedFinding finding;
  finding.kind = kind;
  finding.call_site = site;
  finding.standing = standing;
  finding.summary = kind + " at " + site;
  return finding;
}

SavedReport Report(std::vector<SavedCallSite> sites, std::vector<SavedFinding> findings = {}) {
  SavedReport report;
  report.call_sites = std::move(sites);
  report.findings = std::move(findings);
  return report;
}

std::vector<std::string> Changes(const ReportDiff& diff) {
  std::vector<std::string> changes;
  for (const SiteDiff& site : diff.call_sites)
    changes.push_back(std::string(NameOf(site.change)) + " " + site.id);
  return changes;
}

TEST(ReportDiffTest, CallSitesByTheirIds) {
  const ReportDiff diff =
      Diff(Report({Site("same", 1), Site("more", 1), Site("fewer", 5), Site("gone", 2)}), "a",
           Report({Site("new", 1), Site("fewer", 4), Site("more", 9), Site("same", 1)}), "b");
  EXPECT_THAT(Changes(diff), ElementsAre("new new", "grown more", "shrunk fewer", "gone gone"));
  EXPECT_EQ(diff.unchanged_call_sites, 1u);
  EXPECT_EQ(diff.before.open, 9u);
  EXPECT_EQ(diff.after.open, 15u);
}

TEST(ReportDiffTest, OpenThenFailedThenOpenedDecide) {
  const auto change = [](const SavedCallSite& before, const SavedCallSite& after) {
    return Changes(Diff(Report({before}), "a", Report({after}), "b"));
  };
  EXPECT_THAT(change(Site("x", 1, 10, 5), Site("x", 2, 3, 0)), ElementsAre("grown x"));
  EXPECT_THAT(change(Site("x", 1, 10, 5), Site("x", 1, 99, 4)), ElementsAre("shrunk x"));
  EXPECT_THAT(change(Site("x", 1, 10, 5), Site("x", 1, 11, 5)), ElementsAre("grown x"));
}

TEST(ReportDiffTest, LargestChangeFirst) {
  EXPECT_THAT(Changes(Diff(Report({Site("a", 1), Site("b", 1)}), "a",
                           Report({Site("a", 2), Site("b", 9)}), "b")),
              ElementsAre("grown b", "grown a"));
}

TEST(ReportDiffTest, FindingsByKindAndCallSite) {
  const ReportDiff diff = Diff(Report({}, {Found("leak-suspect", "1"), Found("never-used", "1"),
                                           Found("leak-suspect", "4", "suppressed")}),
                               "a",
                               Report({}, {Found("leak-suspect", "2"), Found("leak-suspect", "1"),
                                           Found("leak-suspect", "3", "suppressed")}),
                               "b");
  ASSERT_EQ(diff.new_findings.size(), 1u);
  EXPECT_EQ(diff.new_findings[0].summary, "leak-suspect at 2");
  ASSERT_EQ(diff.gone_findings.size(), 1u);
  EXPECT_EQ(diff.gone_findings[0].summary, "never-used at 1");
  EXPECT_EQ(diff.unchanged_findings, 1u);
}

// What a later report could not see yet is not gone.
TEST(ReportDiffTest, WhatIsTooEarlyToJudgeIsNeitherNewNorGone) {
  const SavedReport before = Report({}, {Found("leak-suspect", "1")});
  SavedReport after = Report({});
  after.verdict = "early";
  after.answer = "Too early to judge: process 7 of shop connected for the first time 6 s ago";
  const ReportDiff diff = Diff(before, "a", after, "b");
  EXPECT_TRUE(diff.gone_findings.empty());
  ASSERT_EQ(diff.not_judged_findings.size(), 1u);
  std::ostringstream text;
  RenderDiffText(diff, /*colour=*/false, text);
  EXPECT_THAT(text.str(), HasSubstr("Gone findings (0)"));
  EXPECT_THAT(text.str(), HasSubstr("Not judged yet (1)"));
  EXPECT_THAT(text.str(), HasSubstr("6 s ago."));
  after.verdict = "none";
  EXPECT_EQ(Diff(before, "a", after, "b").gone_findings.size(), 1u);
}

TEST(ReportDiffTest, TextIsEscaped) {
  SavedReport after = Report({Site("\x1b[31m", 1)}, {Found("\x1b]0;x", "\x1b[2J")});
  after.host = "\x1b[1m";
  after.incomplete = {"\x07"};
  std::ostringstream text;
  RenderDiffText(Diff(Report({}), "\x1b", after, "b"), /*colour=*/false, text);
  EXPECT_EQ(text.str().find('\x1b'), std::string::npos) << text.str();
  EXPECT_EQ(text.str().find('\x07'), std::string::npos) << text.str();
  EXPECT_THAT(text.str(), HasSubstr("\\x1b[31m"));
}

TEST(ReportDiffTest, Json) {
  std::ostringstream text;
  RenderDiffJson(Diff(Report({Site("x", 1)}), "a", Report({Site("x", 3)}), "b"), text);
  const auto json = nlohmann::json::parse(text.str());
  EXPECT_EQ(json["schema"], "pqleash.diff/1");
  EXPECT_EQ(json["call_sites"][0]["change"], "grown");
  EXPECT_EQ(json["call_sites"][0]["before"]["open"], 1);
  EXPECT_EQ(json["call_sites"][0]["after"]["open"], 3);
}

}  // namespace
}  // namespace pqleash::reporter
