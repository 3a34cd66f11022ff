// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/saved_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "reporter/render/audit.h"
#include "reporter/render/json.h"
#include "reporter/words/utc_time.h"
#include "tests/audit/example_audit.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;
using TestJson = nlohmann::json;

AuditReport Example() {
  AuditReport audit = ExampleAudit();
  ReportProcess process;
  process.pid = 4711;
  process.service = "shop";
  process.totals.opened = 5;
  audit.report.processes = {process};
  ReportCallSite site;
  site.id = 0xa1;
  site.open = 2;
  site.opened = 5;
  site.failed = 1;
  site.frames = audit.findings[0].frames;
  site.headline = 0;
  audit.report.call_sites = {site};
  return audit;
}

std::string AuditJson() {
  std::ostringstream text;
  RenderAuditJson(Example(), text);
  return text.str();
}

std::string ProblemOf(const std::string& json) {
  const SavedReportResult result = ParseSavedReport(json, "x.json");
  const auto* problem = std::get_if<std::string>(&result);
  return problem == nullptr ? "none" : *problem;
}

TEST(SavedReportTest, ReadsWhatAuditWrites) {
  const SavedReportResult result = ParseSavedReport(AuditJson(), "x.json");
  ASSERT_TRUE(std::holds_alternative<SavedReport>(result)) << std::get<std::string>(result);
  const SavedReport& saved = std::get<SavedReport>(result);
  EXPECT_TRUE(saved.of_audit);
  EXPECT_EQ(Rfc3339(saved.report.generated_realtime_ns), "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(saved.report.host, "ci");
  ASSERT_EQ(saved.report.processes.size(), 1u);
  EXPECT_EQ(saved.report.processes[0].pid, 4711);
  EXPECT_EQ(saved.report.processes[0].totals.opened, 5u);
  ASSERT_EQ(saved.report.call_sites.size(), 1u);
  EXPECT_EQ(saved.report.call_sites[0].id, 0xa1u);
  EXPECT_EQ(saved.report.call_sites[0].failed, 1u);
  EXPECT_EQ(saved.report.call_sites[0].frames[0].function, "Open");
  EXPECT_EQ(saved.report.call_sites[0].frames[0].line, 12u);
  EXPECT_EQ(saved.report.call_sites[0].headline, 0u);
  ASSERT_EQ(saved.report.findings.size(), 3u);
  EXPECT_EQ(saved.report.findings[0].confidence, Confidence::kProven);
  EXPECT_EQ(saved.standings[1].standing, "known");
  EXPECT_EQ(saved.standings[2].fingerprint, "00000000000000f3");
  EXPECT_EQ(saved.report.findings[2].connections, 2u);
  EXPECT_EQ(saved.report.findings[0].evidence[0].number, 2.0);
}

TEST(SavedReportTest, ReadsWhatReportWrites) {
  std::ostringstream text;
  RenderReportJson(Example().report, text);
  const SavedReportResult result = ParseSavedReport(text.str(), "x.json");
  ASSERT_TRUE(std::holds_alternative<SavedReport>(result)) << std::get<std::string>(result);
  const SavedReport& saved = std::get<SavedReport>(result);
  EXPECT_FALSE(saved.of_audit);
  EXPECT_EQ(saved.report.findings.size(), 3u);
  EXPECT_TRUE(saved.standings.empty());
}

TEST(SavedReportTest, WhatMayBeAbsentMayBeAbsent) {
  TestJson json = TestJson::parse(AuditJson());
  json.erase("answer");
  for (const char* key : {"since", "history", "times", "coverage"}) json["processes"][0].erase(key);
  for (const char* key : {"in_use", "oldest_age_s", "max_idle_s", "connections"})
    json["call_sites"][0].erase(key);
  EXPECT_EQ(ProblemOf(json.dump()), "none");
}

TEST(SavedReportTest, WhatIsNotTakenMayBeAnything) {
  TestJson json = TestJson::parse(AuditJson());
  json["processes"][0]["history"] = {{"x", {1, {{"y", 2}}}}};
  json["processes"][0]["times"] = "none";
  json["call_sites"][0]["connections"] = {{{"conn", {1, 2}}}, 7};
  json["server"] = {{"call_sites", 1}};
  const SavedReportResult result = ParseSavedReport(json.dump(), "x.json");
  ASSERT_TRUE(std::holds_alternative<SavedReport>(result)) << std::get<std::string>(result);
  const SavedReport& saved = std::get<SavedReport>(result);
  EXPECT_EQ(saved.report.call_sites[0].open, 2u);
  EXPECT_EQ(saved.report.findings[2].connections, 2u) << "an audit's number of that name is taken";
}

TEST(SavedReportTest, NoJson) {
  EXPECT_THAT(ProblemOf(""), HasSubstr("x.json is not a report of pqleash: no JSON at byte 1"));
  EXPECT_THAT(ProblemOf("{\"schema\": "), HasSubstr("no JSON at byte "));
  EXPECT_THAT(ProblemOf("\xff\xfe"), HasSubstr("no JSON at byte 1"));
}

TEST(SavedReportTest, AnotherVersionIsNamed) {
  EXPECT_EQ(ProblemOf(R"({"schema": "pqleash.audit/2"})"),
            "x.json is not a report of pqleash: its schema is 'pqleash.audit/2', expected "
            "'pqleash.report/1' or 'pqleash.audit/1': it is another document, or of another "
            "version of pqleash; save it again with this one");
}

TEST(SavedReportTest, WrongValuesAreNamedByTheirPlace) {
  struct Case {
    const char* pointer;
    TestJson value;
    const char* problem;
  };
  for (const Case& each : {
           Case{"", 7, "the document is a number, expected an object"},
           Case{"", TestJson::array(), "the document is an array, expected an object"},
           Case{"/schema", 1, "schema is a number, expected a string"},
           Case{"/host", nullptr, "host is null, expected a string"},
           Case{"/call_sites", 1, "call_sites is a number, expected an array"},
           Case{"/call_sites/0/open", -1,
                "call_sites[0].open is a number, expected a whole number of at least 0"},
           Case{"/call_sites/0/open", 1.5,
                "call_sites[0].open is a number, expected a whole number of at least 0"},
           Case{"/call_sites/0/id", "A1",
                "call_sites[0].id is a string, expected 16 hexadecimal digits or 'unknown'"},
           Case{"/call_sites/0/id", "000000000000000g", "expected 16 hexadecimal digits"},
           Case{"/call_sites/0/hosts", "web1",
                "call_sites[0].hosts is a string, expected an array"},
           Case{"/call_sites/0/oldest_age_s", "1", "call_sites[0].oldest_age_s is a string"},
           Case{"/answer", "leak", "answer is a string, expected an object"},
           Case{"/processes/0/since", 7, "processes[0].since is a number, expected a string"},
           Case{"/processes/0/since", "yesterday",
                "processes[0].since is a string, expected a time such as"},
           Case{"/generated_at", "2027-02-31T08:00:00.000Z", "generated_at is a string, expected"},
           Case{"/call_sites/0/headline", 1,
                "call_sites[0].headline is a number, expected the index of one of the frames"},
           Case{"/call_sites/0/frames/0/line", 4294967296,
                "call_sites[0].frames[0].line is 4294967296, expected at most 4294967295"},
           Case{"/processes/0/pid", 2147483648, "expected at most 2147483647"},
           Case{"/findings/1/confidence", "sure",
                "findings[1].confidence is a string, expected 'proven' or 'likely'"},
           Case{"/findings/1/evidence/0/number", "2",
                "findings[1].evidence[0].number is a string, expected a number"},
       }) {
    TestJson json = TestJson::parse(AuditJson());
    json[TestJson::json_pointer(each.pointer)] = each.value;
    EXPECT_THAT(ProblemOf(json.dump()), HasSubstr(each.problem)) << each.pointer;
  }
}

TEST(SavedReportTest, WhateverIsMissingIsNamed) {
  const TestJson whole = TestJson::parse(AuditJson());
  for (const char* key : {"schema", "host", "processes", "call_sites", "findings", "incomplete"}) {
    TestJson json = whole;
    json.erase(key);
    EXPECT_THAT(ProblemOf(json.dump()), HasSubstr(std::string(key) + " is missing"));
  }
  TestJson json = whole;
  json["findings"][0].erase("standing");
  EXPECT_THAT(ProblemOf(json.dump()), HasSubstr("findings[0].standing is missing"));
}

TEST(SavedReportTest, DepthIsBounded) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_THAT(ProblemOf(nested(kMaxSavedDepth)), HasSubstr("expected an object"));
  EXPECT_THAT(ProblemOf(nested(kMaxSavedDepth + 2)), HasSubstr("nested deeper than 16 levels"));
  EXPECT_THAT(ProblemOf(std::string(1'000'000, '[')), HasSubstr("nested deeper"));
}

TEST(SavedReportTest, CutAnywhereItIsRefused) {
  const std::string json = AuditJson();
  const size_t end = json.rfind('}');
  for (size_t size = 0; size <= end; size += 97)
    EXPECT_THAT(ProblemOf(json.substr(0, size)), HasSubstr("is not a report")) << size;
}

TEST(SavedReportTest, FilesThatCannotBeRead) {
  const auto problem = [](const std::string& path) {
    return std::get<std::string>(ReadSavedReport(path));
  };
  EXPECT_EQ(problem("/none.json"), "/none.json cannot be read: No such file or directory");
  EXPECT_EQ(problem("/"), "/ cannot be read: Is a directory");
  EXPECT_EQ(problem("/dev/zero"),
            "/dev/zero cannot be used: it has more than 67108864 bytes, the most that is read");
}

}  // namespace
}  // namespace pqleash::reporter
