// SPDX-License-Identifier: Apache-2.0

#include "reporter/audit/baseline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

AuditFinding Found(uint64_t site, const char* fingerprint, uint64_t connections = 1,
                   std::string_view kind = "leak-suspect") {
  AuditFinding finding;
  finding.finding.kind = kind;
  finding.finding.call_site = site;
  finding.finding.connections = connections;
  if (*fingerprint != '\0') finding.fingerprint = fingerprint;
  return finding;
}

BaselineEntry Entry(const char* site, const char* fingerprint, uint64_t connections = 1) {
  BaselineEntry entry;
  entry.kind = "leak-suspect";
  entry.call_site = site;
  if (*fingerprint != '\0') entry.fingerprint = fingerprint;
  entry.connections = connections;
  return entry;
}

std::vector<Standing> Match(std::vector<BaselineEntry> entries, std::vector<AuditFinding> findings,
                            size_t* gone = nullptr) {
  Baseline baseline{"b.json", std::move(entries)};
  MatchBaseline(&baseline, &findings);
  std::vector<Standing> standings;
  for (const AuditFinding& finding : findings) standings.push_back(finding.standing);
  if (gone != nullptr) {
    *gone = 0;
    for (const BaselineEntry& entry : baseline.entries) *gone += !entry.seen;
  }
  return standings;
}

using ::testing::ElementsAre;
constexpr auto kFails = Standing::kFails;
constexpr auto kKnown = Standing::kKnown;

TEST(BaselineTest, MatchesByCallSite) {
  size_t gone = 0;
  EXPECT_THAT(Match({Entry("00000000000000aa", ""), Entry("00000000000000bb", "")},
                    {Found(0xaa, ""), Found(0xcc, "")}, &gone),
              ElementsAre(kKnown, kFails));
  EXPECT_EQ(gone, 1u);
  EXPECT_THAT(
      Match({Entry("00000000000000aa", "")}, {Found(0xaa, "", 1, "unfinished-failed-connect")}),
      ElementsAre(kFails));
  EXPECT_THAT(Match({Entry("00000000000000aa", "")}, {Found(0xaa, "", 1, "lost-handle")}),
              ElementsAre(kKnown))
      << "the same leak, and now proven";
}

TEST(BaselineTest, MatchesByFingerprintWhatHasMoved) {
  EXPECT_THAT(Match({Entry("00000000000000aa", "f1")}, {Found(0xbb, "f1")}), ElementsAre(kKnown));
  EXPECT_THAT(Match({Entry("00000000000000aa", "f1")}, {Found(0xbb, "f2")}), ElementsAre(kFails));
  EXPECT_THAT(Match({Entry("00000000000000aa", "")}, {Found(0xbb, "")}), ElementsAre(kFails));
}

TEST(BaselineTest, SecondLeakInAKnownFunctionIsNew) {
  EXPECT_THAT(Match({Entry("00000000000000aa", "f1")}, {Found(0xbb, "f1"), Found(0xaa, "f1")}),
              ElementsAre(kFails, kKnown));
  EXPECT_THAT(Match({Entry("00000000000000aa", "f1")}, {Found(0xbb, "f1"), Found(0xcc, "f1")}),
              ElementsAre(kKnown, kFails));
}

TEST(BaselineTest, SuppressedTakesNoEntry) {
  std::vector<AuditFinding> findings = {Found(0xaa, "f1")};
  findings[0].standing = Standing::kSuppressed;
  size_t gone = 0;
  EXPECT_THAT(Match({Entry("00000000000000aa", "f1")}, findings, &gone),
              ElementsAre(Standing::kSuppressed));
  EXPECT_EQ(gone, 1u);
}

TEST(BaselineTest, KnownSaysHowManyThereWere) {
  Baseline baseline{"b.json", {Entry("00000000000000aa", "", 3)}};
  std::vector<AuditFinding> findings = {Found(0xaa, "", 7)};
  MatchBaseline(&baseline, &findings);
  EXPECT_EQ(findings[0].known_connections, 3u);
}

TEST(BaselineTest, SuppressedFindingsOfTheFileAreNotKnown) {
  SavedReport saved;
  saved.of_audit = true;
  saved.report.findings.resize(2);
  saved.standings = {{"fails", {}}, {"suppressed", {}}};
  const auto result = ToBaseline(saved, "b.json");
  ASSERT_TRUE(std::holds_alternative<Baseline>(result));
  EXPECT_EQ(std::get<Baseline>(result).entries.size(), 1u);
}

TEST(BaselineTest, AReportIsNoBaseline) {
  const SavedReport saved;
  EXPECT_EQ(std::get<std::string>(ToBaseline(saved, "b.json")),
            "b.json cannot be the baseline: its schema is 'pqleash.report/1', expected "
            "'pqleash.audit/1'; make one with `pqleash audit --write-baseline FILE`");
}

}  // namespace
}  // namespace pqleash::reporter
