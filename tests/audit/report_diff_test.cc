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

ReportCallSite Site(uint64_t id, uint64_t open, uint64_t opened = 10, uint64_t failed = 0) {
  ReportCallSite site;
  site.id = id;
  site.open = open;
  site.opened = opened;
  site.failed = failed;
  return site;
}

Finding Found(const std::string& kind, uint64_t site) {
  Finding finding;
  finding.kind = kind;
  finding.call_site = site;
  finding.summary = kind + " at " + std::to_string(site);
  return finding;
}

SavedReport Saved(std::vector<ReportCallSite> sites, std::vector<Finding> findings = {}) {
  SavedReport saved;
  saved.report.call_sites = std::move(sites);
  saved.report.findings = std::move(findings);
  return saved;
}

// The same of an audit, which has suppressed its last finding.
SavedReport Audited(std::vector<Finding> findings) {
  SavedReport saved = Saved({}, std::move(findings));
  saved.of_audit = true;
  saved.standings.resize(saved.report.findings.size(), {"fails", {}});
  saved.standings.back().standing = "suppressed";
  return saved;
}

std::vector<std::string> Changes(const ReportDiff& diff) {
  std::vector<std::string> changes;
  for (const SiteDiff& site : diff.call_sites)
    changes.push_back(std::string(NameOf(site.change)) + " " + std::to_string(site.id));
  return changes;
}

TEST(ReportDiffTest, CallSitesByTheirIds) {
  const ReportDiff diff = Diff(Saved({Site(1, 1), Site(2, 1), Site(3, 5), Site(4, 2)}), "a",
                               Saved({Site(5, 1), Site(3, 4), Site(2, 9), Site(1, 1)}), "b");
  EXPECT_THAT(Changes(diff), ElementsAre("new 5", "grown 2", "shrunk 3", "gone 4"));
  EXPECT_EQ(diff.unchanged_call_sites, 1u);
  EXPECT_EQ(diff.before.open, 9u);
  EXPECT_EQ(diff.after.open, 15u);
}

TEST(ReportDiffTest, OpenThenFailedThenOpenedDecide) {
  const auto change = [](const ReportCallSite& before, const ReportCallSite& after) {
    return Changes(Diff(Saved({before}), "a", Saved({after}), "b"));
  };
  EXPECT_THAT(change(Site(6, 1, 10, 5), Site(6, 2, 3, 0)), ElementsAre("grown 6"));
  EXPECT_THAT(change(Site(6, 1, 10, 5), Site(6, 1, 99, 4)), ElementsAre("shrunk 6"));
  EXPECT_THAT(change(Site(6, 1, 10, 5), Site(6, 1, 11, 5)), ElementsAre("grown 6"));
}

TEST(ReportDiffTest, LargestChangeFirst) {
  EXPECT_THAT(
      Changes(Diff(Saved({Site(7, 1), Site(8, 1)}), "a", Saved({Site(7, 2), Site(8, 9)}), "b")),
      ElementsAre("grown 8", "grown 7"));
}

TEST(ReportDiffTest, FindingsByKindAndCallSite) {
  const ReportDiff diff = Diff(
      Audited({Found("leak-suspect", 1), Found("never-used", 1), Found("leak-suspect", 4)}), "a",
      Audited({Found("leak-suspect", 2), Found("leak-suspect", 1), Found("leak-suspect", 3)}), "b");
  ASSERT_EQ(diff.new_findings.size(), 1u);
  EXPECT_EQ(diff.new_findings[0].summary, "leak-suspect at 2");
  ASSERT_EQ(diff.gone_findings.size(), 1u);
  EXPECT_EQ(diff.gone_findings[0].summary, "never-used at 1");
  EXPECT_EQ(diff.unchanged_findings, 1u);
}

// What a later report could not see yet is not gone.
TEST(ReportDiffTest, WhatIsTooEarlyToJudgeIsNeitherNewNorGone) {
  const SavedReport before = Saved({}, {Found("leak-suspect", 1)});
  SavedReport after = Saved({});
  after.report.answer = {
      Answer::Verdict::kEarly,
      "Too early to judge: process 7 of shop connected for the first time 6 s ago"};
  const ReportDiff diff = Diff(before, "a", after, "b");
  EXPECT_TRUE(diff.gone_findings.empty());
  ASSERT_EQ(diff.not_judged_findings.size(), 1u);
  std::ostringstream text;
  RenderDiffText(diff, /*colour=*/false, text);
  EXPECT_THAT(text.str(), HasSubstr("Gone findings (0)"));
  EXPECT_THAT(text.str(), HasSubstr("Not judged yet (1)"));
  EXPECT_THAT(text.str(), HasSubstr("6 s ago."));
  after.report.answer.verdict = Answer::Verdict::kNone;
  EXPECT_EQ(Diff(before, "a", after, "b").gone_findings.size(), 1u);
}

TEST(ReportDiffTest, TextIsEscaped) {
  SavedReport after = Saved({Site(1, 1)}, {Found("\x1b]0;x", 1)});
  after.report.host = "\x1b[31m";
  after.report.incomplete = {"\x07"};
  std::ostringstream text;
  RenderDiffText(Diff(Saved({}), "\x1b", after, "b"), /*colour=*/false, text);
  EXPECT_EQ(text.str().find('\x1b'), std::string::npos) << text.str();
  EXPECT_EQ(text.str().find('\x07'), std::string::npos) << text.str();
  EXPECT_THAT(text.str(), HasSubstr("\\x1b[31m"));
}

TEST(ReportDiffTest, Json) {
  std::ostringstream text;
  RenderDiffJson(Diff(Saved({Site(6, 1)}), "a", Saved({Site(6, 3)}), "b"), text);
  const auto json = nlohmann::json::parse(text.str());
  EXPECT_EQ(json["schema"], "pqleash.diff/1");
  EXPECT_EQ(json["call_sites"][0]["change"], "grown");
  EXPECT_EQ(json["call_sites"][0]["before"]["open"], 1);
  EXPECT_EQ(json["call_sites"][0]["after"]["open"], 3);
}

}  // namespace
}  // namespace pqleash::reporter
