// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/merged_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <variant>

#include "reporter/render/json.h"
#include "reporter/render/merged.h"
#include "reporter/report/saved_report.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint64_t kAudit = 0xa1;
constexpr uint64_t kPrice = 0xb2;
const Occasion kHere = {1'800'000'000'000'000'000, "desk"};

ReportProcess Process(const std::string& host, int32_t pid, uint64_t open) {
  ReportProcess process;
  process.pid = pid;
  process.service = "shop";
  process.host_name = host;
  process.life = Life::kLive;
  process.since_realtime_ns = kHere.realtime_ns - kHour;
  process.totals.open = process.totals.opened = open;
  return process;
}

ReportCallSite Site(uint64_t id, uint64_t open) {
  ReportCallSite site;
  site.id = id;
  site.ids = {id};
  site.processes = 1;
  site.open = site.peak = open;
  site.opened = open + 3;
  site.closed = 2;
  site.failed = 1;
  site.in_use = 1;
  site.in_use_peak = 2;
  site.frames.resize(1);
  site.frames[0].module = "/srv/shop";
  site.headline = 0;
  return site;
}

Finding Leak(uint64_t id, double open, double idle_s) {
  Finding finding;
  finding.kind = "leak-suspect";
  finding.summary = std::to_string(static_cast<int>(open)) + " connections opened by Audit";
  finding.advice = "close them";
  finding.call_site = id;
  finding.evidence = {{"open", open, "connections"}, {"longest_idle", idle_s, "s"}};
  return finding;
}

NamedReport Of(const std::string& host, uint64_t realtime_ns = kHere.realtime_ns) {
  NamedReport named;
  named.name = host + ".json";
  named.report.host = host;
  named.report.generated_realtime_ns = realtime_ns;
  return named;
}

TEST(MergeTest, NothingIsFine) {
  const Report merged = Merge({}, {"a sentence"}, kHere);
  EXPECT_EQ(merged.host, "desk");
  EXPECT_EQ(merged.generated_realtime_ns, kHere.realtime_ns);
  EXPECT_THAT(merged.incomplete, ElementsAre("a sentence"));
  EXPECT_THAT(merged.sources, IsEmpty());
}

TEST(MergeTest, CallSitesAreAddedUpById) {
  NamedReport first = Of("web2");
  first.report.call_sites = {Site(kAudit, 5), Site(kPrice, 1)};
  first.report.call_sites[0].oldest_age_ns = 10 * kSecond;
  NamedReport second = Of("web1");
  second.report.call_sites = {Site(kAudit, 7)};
  second.report.call_sites[0].oldest_age_ns = 8 * kSecond;
  second.report.call_sites[0].max_idle_ns = 4 * kSecond;
  const Report merged = Merge({first, second}, {}, kHere);
  ASSERT_EQ(merged.call_sites.size(), 2u);
  const ReportCallSite& site = merged.call_sites[0];
  EXPECT_EQ(site.id, kAudit);
  EXPECT_EQ(site.open, 12u);
  EXPECT_EQ(site.opened, 18u);
  EXPECT_EQ(site.closed, 4u);
  EXPECT_EQ(site.failed, 2u);
  EXPECT_EQ(site.peak, 12u);
  EXPECT_EQ(site.processes, 2u);
  EXPECT_EQ(site.in_use, 2u);
  EXPECT_EQ(site.in_use_peak, 4u);
  EXPECT_EQ(site.oldest_age_ns, 10 * kSecond);
  EXPECT_EQ(site.max_idle_ns, 4 * kSecond);
  EXPECT_THAT(site.hosts, ElementsAre("web1", "web2"));
  EXPECT_THAT(merged.call_sites[1].hosts, ElementsAre("web2"));
}

// A compiler made several calls of one line, and not every host came by all of them.
TEST(MergeTest, CallSitesThatHaveAnIdInCommonAreOne) {
  NamedReport first = Of("web1");
  first.report.call_sites = {Site(7, 1), Site(kPrice, 1)};
  first.report.findings = {Leak(7, 1, 60)};
  NamedReport second = Of("web2");
  second.report.call_sites = {Site(3, 2)};
  second.report.call_sites[0].ids = {3, 5, 7};
  second.report.findings = {Leak(3, 2, 60)};
  NamedReport third = Of("web3");
  third.report.call_sites = {Site(5, 4)};
  const Report merged = Merge({first, second, third}, {}, kHere);
  ASSERT_EQ(merged.call_sites.size(), 2u);
  EXPECT_EQ(merged.call_sites[0].id, 3u);
  EXPECT_THAT(merged.call_sites[0].ids, ElementsAre(3, 5, 7));
  EXPECT_EQ(merged.call_sites[0].open, 7u);
  ASSERT_EQ(merged.findings.size(), 1u);
  EXPECT_EQ(merged.findings[0].call_site, 3u);
  EXPECT_THAT(merged.findings[0].hosts, ElementsAre("web1", "web2"));
}

TEST(MergeTest, StackIsThatWhichTellsMost) {
  NamedReport bare = Of("web1");
  bare.report.call_sites = {Site(kAudit, 1)};
  NamedReport telling = Of("web2");
  telling.report.call_sites = {Site(kAudit, 1)};
  telling.report.call_sites[0].frames.resize(2);
  telling.report.call_sites[0].frames[1].function = "Audit";
  telling.report.call_sites[0].frames[1].file = "shop.cc";
  telling.report.call_sites[0].headline = 1;
  for (const auto& order : {std::vector{bare, telling}, std::vector{telling, bare}}) {
    const Report merged = Merge(order, {}, kHere);
    ASSERT_EQ(merged.call_sites[0].frames.size(), 2u);
    EXPECT_EQ(merged.call_sites[0].headline, 1u);
  }
}

TEST(MergeTest, FindingsOfOneKindAndPlaceAreOne) {
  NamedReport first = Of("web1");
  first.report.findings = {Leak(kAudit, 2, 60), Leak(kPrice, 1, 1)};
  NamedReport second = Of("web2");
  second.report.findings = {Leak(kAudit, 9, 30)};
  second.report.findings[0].confidence = Confidence::kProven;
  NamedReport third = Of("web3");
  third.report.findings = {Leak(kPrice, 1, 1)};
  third.report.findings[0].kind = "never-used";
  const Report merged = Merge({first, second, third}, {}, kHere);
  ASSERT_EQ(merged.findings.size(), 3u);
  const Finding& finding = merged.findings[0];
  EXPECT_EQ(finding.summary, "on 2 hosts, most on web2: 9 connections opened by Audit");
  EXPECT_EQ(finding.confidence, Confidence::kProven);
  EXPECT_EQ(finding.evidence[0].number, 11.0) << "connections are added up";
  EXPECT_EQ(finding.evidence[1].number, 60.0) << "of times it is the greatest";
  EXPECT_THAT(finding.hosts, ElementsAre("web1", "web2"));
  for (const Finding& each : merged.findings) {
    if (each.kind == "never-used") {
      EXPECT_EQ(each.summary, "on web3: 1 connections opened by Audit");
    }
  }
}

TEST(MergeTest, CallSitesWithFindingsComeFirst) {
  NamedReport report = Of("web1");
  report.report.call_sites = {Site(kPrice, 50), Site(kAudit, 2)};
  report.report.findings = {Leak(kAudit, 2, 60)};
  const Report merged = Merge({report}, {}, kHere);
  EXPECT_EQ(merged.call_sites[0].id, kAudit);
}

TEST(MergeTest, ProcessesKeepTheirHost) {
  NamedReport first = Of("web1");
  first.report.processes = {Process("web1", 7, 2)};
  NamedReport second = Of("web2");
  second.report.processes = {Process("web2", 7, 3), Process("pod-9", 7, 1)};
  const Report merged = Merge({first, second}, {}, kHere);
  std::vector<std::string> hosts;
  for (const ReportProcess& process : merged.processes) hosts.push_back(process.host_name);
  EXPECT_THAT(hosts, ElementsAre("web1", "web2", "pod-9"));
  EXPECT_EQ(merged.sources[1].processes, 2u);
}

TEST(MergeTest, OfTwoReportsOfAProcessTheLaterIsTaken) {
  NamedReport before = Of("web1");
  before.name = "before.json";
  before.report.processes = {Process("web1", 7, 2), Process("web1", 8, 2)};
  before.report.call_sites = {Site(kAudit, 4)};
  NamedReport after = Of("web1", kHere.realtime_ns + kSecond);
  after.name = "after.json";
  after.report.processes = {Process("web1", 8, 3)};
  after.report.call_sites = {Site(kAudit, 3)};
  for (const auto& order : {std::vector{before, after}, std::vector{after, before}}) {
    const Report merged = Merge(order, {}, kHere);
    ASSERT_EQ(merged.sources.size(), 1u);
    EXPECT_EQ(merged.sources[0].name, "after.json");
    EXPECT_EQ(merged.call_sites[0].open, 3u);
    ASSERT_EQ(merged.incomplete.size(), 1u);
    EXPECT_THAT(merged.incomplete[0],
                HasSubstr("before.json is left out: 1 of its 2 processes are in after.json, too"));
  }
}

TEST(MergeTest, SamePidOnAnotherHostOrOfAnotherTimeIsAnotherProcess) {
  NamedReport first = Of("web1");
  first.report.processes = {Process("web1", 7, 2)};
  NamedReport second = Of("web2");
  second.report.processes = {Process("web2", 7, 2)};
  NamedReport third = Of("web1");
  third.report.processes = {Process("web1", 7, 2)};
  third.report.processes[0].since_realtime_ns += kMillisecond;
  EXPECT_THAT(Merge({first, second, third}, {}, kHere).incomplete, IsEmpty());
}

TEST(MergeTest, AnswerIsThatOfMostHosts) {
  using Verdict = Answer::Verdict;
  const auto with = [](const std::string& host, Answer::Verdict verdict, uint64_t open) {
    NamedReport named = Of(host);
    named.report.answer = {verdict, "it is " + std::string(NameOf(verdict))};
    named.report.processes = {Process(host, 1, open)};
    return named;
  };
  const Report merged = Merge({with("a", Verdict::kNone, 90), with("b", Verdict::kLeak, 5),
                               with("c", Verdict::kTooSmall, 40), with("d", Verdict::kLeak, 9)},
                              {}, kHere);
  EXPECT_EQ(merged.answer.verdict, Verdict::kLeak);
  EXPECT_EQ(merged.answer.sentence, "On 2 of 4 hosts, as on d: it is leak");
  const Report fine = Merge({with("a", Verdict::kNone, 3)}, {}, kHere);
  EXPECT_EQ(fine.answer.verdict, Verdict::kNone);
  EXPECT_EQ(fine.answer.sentence,
            "No leak, and no limit that is too small, on any of 1 host: 3 connections are open");
}

TEST(MergeTest, WhatReportsMissIsSaidWithTheirHost) {
  NamedReport report = Of("web1");
  report.report.incomplete = {"ledger 7 is damaged"};
  report.report.call_sites_left_out = 4;
  const Report merged = Merge({report}, {"x.json is no report"}, kHere);
  EXPECT_THAT(merged.incomplete, ElementsAre("x.json is no report", "web1: ledger 7 is damaged"));
  EXPECT_EQ(merged.call_sites_left_out, 4u);
}

TEST(MergeTest, KeepTopCountsTheRest) {
  NamedReport report = Of("web1");
  report.report.call_sites = {Site(kPrice, 50), Site(kAudit, 2)};
  Report merged = Merge({report}, {}, kHere);
  KeepTop(2, &merged);
  EXPECT_EQ(merged.call_sites.size(), 2u);
  KeepTop(1, &merged);
  ASSERT_EQ(merged.call_sites.size(), 1u);
  EXPECT_EQ(merged.call_sites[0].id, kPrice);
  EXPECT_EQ(merged.call_sites_left_out, 1u);
}

Report Rich(const std::string& hostile) {
  NamedReport first = Of("web1" + hostile);
  first.report.processes = {Process("web1" + hostile, 7, 2)};
  first.report.call_sites = {Site(kAudit, 2)};
  first.report.call_sites[0].frames[0].function = "Audit" + hostile;
  first.report.findings = {Leak(kAudit, 2, 60)};
  first.report.findings[0].kind += hostile;
  first.report.findings[0].summary += hostile;
  first.report.answer = {Answer::Verdict::kLeak, "a leak" + hostile};
  first.report.incomplete = {"something" + hostile};
  NamedReport second = Of("web2");
  second.report.processes = {Process("web2", 8, 3)};
  second.report.call_sites = {Site(kAudit, 3)};
  second.report.findings = {Leak(kAudit, 3, 30)};
  second.report.findings[0].kind += hostile;
  return Merge({first, second}, {}, kHere);
}

TEST(MergedJsonTest, CanBeReadAndMergedAgain) {
  std::ostringstream json;
  RenderReportJson(Rich(""), json);
  const SavedReportResult result = ParseSavedReport(json.str(), "fleet.json");
  ASSERT_TRUE(std::holds_alternative<SavedReport>(result)) << std::get<std::string>(result);
  NamedReport other = Of("web3");
  other.report.call_sites = {Site(kAudit, 10)};
  other.report.findings = {Leak(kAudit, 10, 1)};
  const Report twice =
      Merge({{"fleet.json", std::get<SavedReport>(result).report}, other}, {}, kHere);
  ASSERT_EQ(twice.call_sites.size(), 1u);
  EXPECT_EQ(twice.call_sites[0].open, 15u);
  EXPECT_THAT(twice.call_sites[0].hosts, ElementsAre("web1", "web2", "web3"));
  EXPECT_EQ(twice.findings[0].evidence[0].number, 15.0);
  EXPECT_THAT(twice.findings[0].hosts, ElementsAre("web1", "web2", "web3"));
  EXPECT_EQ(twice.processes.size(), 2u);
  EXPECT_EQ(twice.processes[0].since_realtime_ns, kHere.realtime_ns - kHour);
  EXPECT_EQ(twice.processes[1].host_name, "web2");
}

TEST(MergedTextTest, SaysWhoHoldsWhatWhere) {
  std::ostringstream text;
  RenderMergedText(Rich(""), {}, text);
  EXPECT_THAT(text.str(), HasSubstr("2027-01-15 08:00:00 UTC, merged from 2 reports of 2 hosts: 2 "
                                    "processes, 5 open connections"));
  EXPECT_THAT(text.str(), HasSubstr("on 2 hosts, most on web2: 3 connections opened by Audit."));
  EXPECT_THAT(text.str(), HasSubstr("     call site: 00000000000000a1\n     hosts: web1, web2\n"));
  EXPECT_THAT(text.str(), HasSubstr("open 5, opened 11, closed 4, failed 2, peak at most 5, in 2 "
                                    "processes"));
  EXPECT_THAT(text.str(), HasSubstr("Hosts, who hold most first"));
}

TEST(MergedTextTest, NothingReachesTheTerminalUnescaped) {
  std::ostringstream text;
  RenderMergedText(Rich("\x1b[31m\x07"), {}, text);
  EXPECT_THAT(text.str(), Not(HasSubstr("\x1b")));
  EXPECT_THAT(text.str(), Not(HasSubstr("\x07")));
}

}  // namespace
}  // namespace pqleash::reporter
