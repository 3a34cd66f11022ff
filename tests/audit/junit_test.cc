// SPDX-License-Identifier: Apache-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pugixml.hpp>
#include <sstream>

#include "reporter/render/audit.h"
#include "tests/audit/example_audit.h"
#include "tests/support/subprocess.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;

std::string Junit(const AuditReport& audit) {
  std::ostringstream text;
  RenderAuditJunit(audit, text);
  return text.str();
}

pugi::xml_node Suite(const pugi::xml_document& document) {
  return document.child("testsuites").child("testsuite");
}

TEST(JunitTest, EveryStandingHasItsCase) {
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(Junit(ExampleAudit()).c_str()));
  const pugi::xml_node suite = Suite(document);
  EXPECT_STREQ(suite.attribute("name").value(), "pqleash audit");
  EXPECT_EQ(suite.attribute("tests").as_int(), 3);
  EXPECT_EQ(suite.attribute("failures").as_int(), 1);
  EXPECT_EQ(suite.attribute("skipped").as_int(), 2);
  EXPECT_STREQ(suite.attribute("timestamp").value(), "2027-01-15T08:00:00");
  auto test_case = suite.child("testcase");
  EXPECT_STREQ(test_case.attribute("classname").value(), "pqleash.leak-suspect");
  EXPECT_STREQ(test_case.attribute("name").value(),
               "Open (/srv/shop/src/Open.cc:12), call site 00000000000000a1");
  EXPECT_STREQ(test_case.child("failure").attribute("type").value(), "leak-suspect");
  EXPECT_THAT(test_case.child("failure").text().get(), HasSubstr("#0 Open"));
  test_case = test_case.next_sibling("testcase");
  EXPECT_STREQ(test_case.child("skipped").attribute("message").value(), "known from b.json");
  test_case = test_case.next_sibling("testcase");
  EXPECT_STREQ(test_case.child("skipped").attribute("message").value(),
               "suppressed by leak:Pool (x.supp:3)");
  EXPECT_THAT(suite.child("system-err").text().get(),
              HasSubstr("incomplete: ledger 1 could not be read"));
}

TEST(JunitTest, OneCasePassesWhereNothingFails) {
  AuditReport audit = ExampleAudit();
  audit.findings.clear();
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(Junit(audit).c_str()));
  const pugi::xml_node suite = Suite(document);
  EXPECT_EQ(suite.attribute("tests").as_int(), 1);
  EXPECT_EQ(suite.attribute("failures").as_int(), 0);
  EXPECT_STREQ(suite.child("testcase").attribute("name").value(), "no new finding");
  EXPECT_FALSE(suite.child("testcase").first_child());
}

TEST(JunitTest, HostileBytesLeaveWellFormedXml) {
  std::string every;
  for (int byte = 1; byte < 256; ++byte) every += static_cast<char>(byte);
  for (const std::string& hostile :
       {every, std::string("]]>\"'<&>"), std::string("\xef\xbf\xbe \xed\xa0\x80 \xc2\x85"),
        std::string("a\0b", 3)}) {
    const std::string xml = Junit(ExampleAudit(hostile));
    const auto lint =
        pqleash::testing::RunToEnd({.arguments = {"xmllint", "--noout", "-"}, .input = xml});
    EXPECT_EQ(lint.exit_code, 0) << lint.err << xml;
    pugi::xml_document document;
    ASSERT_TRUE(document.load_string(xml.c_str()));
    EXPECT_EQ(Suite(document).attribute("tests").as_int(), 3);
  }
}

}  // namespace
}  // namespace pqleash::reporter
