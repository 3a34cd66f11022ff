// SPDX-License-Identifier: Apache-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "reporter/render/audit.h"
#include "tests/audit/example_audit.h"

namespace pqleash::reporter {
namespace {

using Json = nlohmann::json;

Json Sarif(const AuditReport& audit) {
  std::ostringstream text;
  RenderAuditSarif(audit, text);
  for (const char byte : text.str()) EXPECT_TRUE(byte == '\n' || (byte >= ' ' && byte <= '~'));
  return Json::parse(text.str());
}

// The properties that SARIF 2.1.0 has for an object, of those that are written here; it allows no
// others.
void ExpectOnly(const Json& object, const std::set<std::string>& allowed,
                const std::set<std::string>& required) {
  for (const auto& [key, value] : object.items())
    EXPECT_TRUE(allowed.contains(key)) << key << " in " << object.dump();
  for (const std::string& key : required)
    EXPECT_TRUE(object.contains(key)) << key << " is missing in " << object.dump();
}

void ExpectLocation(const Json& location) {
  ExpectOnly(location, {"physicalLocation", "logicalLocations", "message"}, {});
  if (!location.contains("physicalLocation")) return;
  const Json& physical = location["physicalLocation"];
  ExpectOnly(physical, {"artifactLocation", "region"}, {"artifactLocation"});
  const std::string uri = physical["artifactLocation"]["uri"];
  // RFC 3986, for what is made here.
  EXPECT_TRUE(std::regex_match(uri, std::regex("(file:///)?([A-Za-z0-9._~/-]|%[0-9A-F]{2})+")))
      << uri;
  if (physical.contains("region")) {
    EXPECT_GE(physical["region"]["startLine"], 1);
  }
}

void ExpectResult(const Json& result, const Json& rules) {
  ExpectOnly(result,
             {"ruleId", "ruleIndex", "level", "kind", "message", "locations", "stacks",
              "occurrenceCount", "partialFingerprints", "suppressions", "baselineState"},
             {"message", "ruleId", "ruleIndex"});
  EXPECT_EQ(rules[result["ruleIndex"].get<size_t>()]["id"], result["ruleId"]);
  EXPECT_TRUE((std::set<std::string>{"none", "note", "warning", "error"}.contains(
      result["level"].get<std::string>())));
  if (result.contains("kind")) {
    EXPECT_EQ(result["level"], "none");
  }
  for (const Json& location : result.value("locations", Json::array())) ExpectLocation(location);
  for (const Json& stack : result.value("stacks", Json::array())) {
    ExpectOnly(stack, {"message", "frames"}, {"frames"});
    for (const Json& frame : stack["frames"]) {
      ExpectOnly(frame, {"location", "module"}, {});
      ExpectLocation(frame["location"]);
    }
  }
}

void ExpectValid(const Json& sarif) {
  ExpectOnly(sarif, {"$schema", "version", "runs"}, {"version", "runs"});
  EXPECT_EQ(sarif["version"], "2.1.0");
  ASSERT_EQ(sarif["runs"].size(), 1u);
  const Json& run = sarif["runs"][0];
  ExpectOnly(run, {"tool", "invocations", "originalUriBaseIds", "columnKind", "results"},
             {"tool", "results"});
  ExpectOnly(run["tool"]["driver"], {"name", "version", "rules"}, {"name"});
  for (const Json& invocation : run["invocations"])
    ExpectOnly(invocation, {"executionSuccessful", "endTimeUtc", "toolExecutionNotifications"},
               {"executionSuccessful"});
  for (const Json& result : run["results"]) ExpectResult(result, run["tool"]["driver"]["rules"]);
}

TEST(SarifTest, ResultsSayWhatBecameOfThem) {
  const Json sarif = Sarif(ExampleAudit());
  ExpectValid(sarif);
  const Json& run = sarif["runs"][0];
  EXPECT_EQ(run["originalUriBaseIds"]["%SRCROOT%"]["uri"], "file:///srv/shop/");
  EXPECT_EQ(run["invocations"][0]["executionSuccessful"], false);
  const Json& results = run["results"];
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[0]["level"], "error");
  EXPECT_EQ(results[0]["baselineState"], "new");
  const Json& place = results[0]["locations"][0]["physicalLocation"];
  EXPECT_EQ(place["artifactLocation"], Json({{"uri", "src/Open.cc"}, {"uriBaseId", "%SRCROOT%"}}));
  EXPECT_EQ(place["region"], Json({{"startLine", 12}}));
  EXPECT_EQ(results[0]["partialFingerprints"]["pqleashCallSite/v1"], "00000000000000a1");
  EXPECT_EQ(results[0]["stacks"][0]["frames"][0]["module"], "/srv/shop/bin/shop");
  EXPECT_EQ(results[1]["level"], "warning");
  EXPECT_EQ(results[1]["baselineState"], "unchanged");
  ASSERT_EQ(results[2]["suppressions"].size(), 1u);
  EXPECT_EQ(results[2]["suppressions"][0],
            Json({{"kind", "external"}, {"justification", "leak:Pool (x.supp:3)"}}));
  EXPECT_EQ(results[3]["ruleId"], "lost-handle");
  EXPECT_EQ(results[3]["baselineState"], "absent");
}

TEST(SarifTest, WithoutABaselineNothingIsNew) {
  AuditReport audit = ExampleAudit();
  audit.baseline.reset();
  const Json sarif = Sarif(audit);
  ExpectValid(sarif);
  EXPECT_FALSE(sarif["runs"][0]["results"][0].contains("baselineState"));
}

TEST(SarifTest, HostileBytesLeaveAValidDocument) {
  std::string every;
  for (int byte = 1; byte < 256; ++byte) every += static_cast<char>(byte);
  ExpectValid(Sarif(ExampleAudit(every)));
}

TEST(SarifTest, FramesWithoutAFileHaveTheirModule) {
  AuditReport audit = ExampleAudit();
  audit.findings[0].frames[0].file.clear();
  audit.findings[0].frames[0].line = 0;
  const Json sarif = Sarif(audit);
  ExpectValid(sarif);
  EXPECT_EQ(
      sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
      "bin/shop");
}

}  // namespace
}  // namespace pqleash::reporter
