// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/policy.h"

#include <gtest/gtest.h>

#include "shim/support/text.h"

namespace pqleash::caps {
namespace {

struct Patterns {
  const char* host = "";
  const char* port = "";
  const char* dbname = "";
  const char* user = "";
  const char* application_name = "";
  uint64_t call_site = 0;
};

Policy Make(const Patterns& patterns) {
  Policy policy = {};
  CopyText(patterns.host, policy.host);
  CopyText(patterns.port, policy.port);
  CopyText(patterns.dbname, policy.dbname);
  CopyText(patterns.user, policy.user);
  CopyText(patterns.application_name, policy.application_name);
  policy.call_site = patterns.call_site;
  return policy;
}

constexpr Endpoint kBilling = {"db1.example", "5432", "billing_eu", "svc", "invoices"};
constexpr uint64_t kCallSite = 0x3f2a9c01b2d4e5f6;

TEST(Policy, MatchesWhatItSpeaksOf) {
  struct Case {
    const char* what;
    Patterns patterns;
    bool matches;
  };
  const Case cases[] = {
      {"no matcher", {}, true},
      {"host", {.host = "db1.example"}, true},
      {"host, glob", {.host = "db?.*"}, true},
      {"host, whole text alone", {.host = "db1"}, false},
      {"host, case", {.host = "DB1.example"}, false},
      {"port", {.port = "5432"}, true},
      {"port, set of characters", {.port = "543[0-9]"}, true},
      {"port, other", {.port = "5433"}, false},
      {"database", {.dbname = "billing*"}, true},
      {"database, other", {.dbname = "orders*"}, false},
      {"user", {.user = "svc"}, true},
      {"user, other", {.user = "root"}, false},
      {"application", {.application_name = "inv*"}, true},
      {"application, other", {.application_name = "orders"}, false},
      {"call site", {.call_site = kCallSite}, true},
      {"call site, other", {.call_site = kCallSite + 1}, false},
      {"all", {"db1*", "54*", "b*", "s*", "i*", kCallSite}, true},
      {"all, one of them other", {"db1*", "54*", "b*", "t*", "i*", kCallSite}, false},
      {"all, call site other", {"db1*", "54*", "b*", "s*", "i*", 1}, false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Matches(Make(c.patterns), &kBilling, kCallSite), c.matches) << c.what;
  }
}

TEST(Policy, AStarMatchesASlash) {
  const Endpoint socket = {"/run/postgresql", "5432", "billing", "svc", ""};
  EXPECT_TRUE(Matches(Make({.host = "/*"}), &socket, 0));
  EXPECT_TRUE(Matches(Make({.host = "*postgresql"}), &socket, 0));
}

TEST(Policy, ATextThatIsMissingIsTheEmptyText) {
  const Endpoint missing = {nullptr, nullptr, nullptr, nullptr, nullptr};
  const Endpoint empty = {"", "", "", "", ""};
  for (const Endpoint* endpoint : {&missing, &empty}) {
    EXPECT_TRUE(Matches(Make({.dbname = "*"}), endpoint, 0));
    EXPECT_FALSE(Matches(Make({.dbname = "?*"}), endpoint, 0));
    EXPECT_TRUE(Matches(Make({}), endpoint, 0));
  }
}

TEST(Policy, WithoutTargetNeedsNoEndpoint) {
  EXPECT_TRUE(Matches(Make({}), nullptr, 0));
  EXPECT_TRUE(Matches(Make({.call_site = 7}), nullptr, 7));
  EXPECT_FALSE(Matches(Make({.call_site = 7}), nullptr, 8));
  EXPECT_FALSE(Matches(Make({.dbname = "*"}), nullptr, 0));
}

TEST(Policy, HasTargetIsAnyPattern) {
  EXPECT_FALSE(HasTarget(Make({})));
  EXPECT_FALSE(HasTarget(Make({.call_site = 7})));
  for (const Patterns& patterns :
       {Patterns{.host = "a"}, Patterns{.port = "1"}, Patterns{.dbname = "a"},
        Patterns{.user = "a"}, Patterns{.application_name = "a"}}) {
    EXPECT_TRUE(HasTarget(Make(patterns)));
  }
}

}  // namespace
}  // namespace pqleash::caps
