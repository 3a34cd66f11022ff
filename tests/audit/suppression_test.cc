// SPDX-License-Identifier: Apache-2.0

#include "reporter/audit/suppression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

TEST(SuppressionTest, Patterns) {
  struct Case {
    const char* pattern;
    const char* text;
    bool matches;
  };
  for (const Case& each : {
           Case{"Open", "OpenAuditLog", true},
           Case{"Audit", "OpenAuditLog", true},
           Case{"audit", "OpenAuditLog", false},
           Case{"^Open", "OpenAuditLog", true},
           Case{"^Audit", "OpenAuditLog", false},
           Case{"Log$", "OpenAuditLog", true},
           Case{"Log$", "LogLog", true},
           Case{"Audit$", "OpenAuditLog", false},
           Case{"^OpenAuditLog$", "OpenAuditLog", true},
           Case{"^Open$", "OpenAuditLog", false},
           Case{"Open*Log", "OpenAuditLog", true},
           Case{"Log*Open", "OpenAuditLog", false},
           Case{"^O*g$", "OpenAuditLog", true},
           Case{"^p*g$", "OpenAuditLog", false},
           Case{"*Audit*", "OpenAuditLog", true},
           Case{"Open*", "Open", true},
           Case{"a*a", "a", false},
           Case{"a*a$", "a", false},
           Case{"ab*b$", "ab", false},
           Case{"/vendor/*/pool.py$", "/srv/vendor/db/x/pool.py", true},
           Case{"shop::Open(char const*)", "shop::Open(char const*)", true},
           Case{"Open", "", false},
       }) {
    EXPECT_EQ(MatchesPattern(each.pattern, each.text), each.matches)
        << "pattern " << each.pattern << ", text " << each.text;
  }
}

TEST(SuppressionTest, GoodFile) {
  const auto result = ParseSuppressions(
      "# by design\n\n  leak:OpenAuditLog \r\ndbname:^template1$\nleak:a:b", "x.supp");
  ASSERT_TRUE(std::holds_alternative<std::vector<Suppression>>(result))
      << std::get<std::string>(result);
  const auto& suppressions = std::get<std::vector<Suppression>>(result);
  ASSERT_EQ(suppressions.size(), 3u);
  EXPECT_EQ(suppressions[0].pattern, "OpenAuditLog");
  EXPECT_EQ(suppressions[0].text, "leak:OpenAuditLog");
  EXPECT_EQ(suppressions[0].source, "x.supp:3");
  EXPECT_EQ(suppressions[1].over, Suppression::Over::kDbname);
  EXPECT_EQ(suppressions[2].pattern, "a:b");
}

TEST(SuppressionTest, BadLinesAreNamed) {
  struct Case {
    const char* text;
    const char* sentence;
  };
  for (const Case& each : {
           Case{"leak:x\nOpenAuditLog\n",
                "x.supp:2: 'OpenAuditLog' is no suppression, expected leak:PATTERN or "
                "dbname:PATTERN"},
           Case{"race:x", "x.supp:1: 'race' is no type of suppression, expected leak or dbname"},
           Case{"leak:", "x.supp:1: 'leak:' has no pattern"},
           Case{"leak:*", "x.supp:1: 'leak:*' has no pattern"},
           Case{"dbname:^$", "x.supp:1: 'dbname:^$' has no pattern"},
       }) {
    const auto result = ParseSuppressions(each.text, "x.supp");
    ASSERT_TRUE(std::holds_alternative<std::string>(result)) << each.text;
    EXPECT_THAT(std::get<std::string>(result), ::testing::StartsWith(each.sentence));
  }
}

TEST(SuppressionTest, FunctionFileAndModuleOfAnyFrame) {
  SourceFrame inner;
  inner.function = "PoolAcquire";
  SourceFrame outer;
  outer.file = "/srv/shop/orders.cc";
  outer.module = "/srv/shop/bin/orders";
  const std::vector<SourceFrame> frames = {inner, outer};
  const auto matches = [&](Suppression::Over over, const std::string& pattern) {
    return MatchesStack({over, pattern, "", ""}, frames);
  };
  EXPECT_TRUE(matches(Suppression::Over::kStack, "^PoolAcquire$"));
  EXPECT_TRUE(matches(Suppression::Over::kStack, "orders.cc$"));
  EXPECT_TRUE(matches(Suppression::Over::kStack, "bin/orders$"));
  EXPECT_FALSE(matches(Suppression::Over::kStack, "basket"));
  EXPECT_FALSE(matches(Suppression::Over::kDbname, "PoolAcquire"));
}

}  // namespace
}  // namespace pqleash::reporter
