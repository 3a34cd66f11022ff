// SPDX-License-Identifier: Apache-2.0
//
// Whether caps fit a server, and whether they leave programs what they use.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "reporter/server/budget.h"
#include "reporter/server/measured_need.h"

namespace pqleash::reporter {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ServerView View(uint64_t max_connections = 100) {
  ServerView view;
  view.address = {"db.example", "5432", "orders", "app", "", false};
  view.settings.version = 160'000;
  view.settings.max_connections = max_connections;
  view.settings.superuser_reserved = 3;
  view.backends_known = true;
  return view;
}

void AddBackends(ServerView* view, int count, const std::string& user, const std::string& dbname) {
  for (int i = 0; i < count; ++i) {
    Backend backend;
    backend.pid = 1'000 + static_cast<int32_t>(view->backends.size());
    backend.user = user;
    backend.dbname = dbname;
    backend.takes_slot = true;
    view->backends.push_back(backend);
  }
}

caps::Policy Cap(uint32_t limit, uint32_t scope = caps::kScopeProcess,
                 const std::string& name = "db") {
  caps::Policy policy = {};
  std::strncpy(policy.name, name.c_str(), sizeof(policy.name) - 1);
  policy.kind = caps::kCap;
  policy.scope = scope;
  policy.rule.limit = limit;
  policy.rule.on_limit = caps::kWait;
  return policy;
}

TEST(BudgetTest, TheLeastOfServerRoleAndDatabaseBinds) {
  struct Case {
    const char* what;
    void (*change)(ServerView*);
    uint64_t available;
    Bound bound;
    const char* reason;
  };
  const Case cases[] = {
      {"nothing else", [](ServerView*) {}, 97, Bound::kServer,
       "max_connections 100 − 3 reserved for superusers − 0 in use by other roles"},
      {"others", [](ServerView* view) { AddBackends(view, 10, "cron", "orders"); }, 87,
       Bound::kServer,
       "max_connections 100 − 3 reserved for superusers − 10 in use by other roles"},
      {"the role's own", [](ServerView* view) { AddBackends(view, 10, "app", "orders"); }, 97,
       Bound::kServer, "max_connections 100"},
      {"reserved_connections", [](ServerView* view) { view->settings.reserved = 7; }, 90,
       Bound::kServer, "− 7 of reserved_connections"},
      {"a member of pg_use_reserved_connections",
       [](ServerView* view) {
         view->settings.reserved = 7;
         view->settings.may_use_reserved = true;
       },
       97, Bound::kServer, "max_connections 100 − 3 reserved for superusers − 0"},
      {"a full server", [](ServerView* view) { AddBackends(view, 120, "cron", "orders"); }, 0,
       Bound::kServer, "− 120 in use by other roles"},
      {"a role's limit", [](ServerView* view) { view->settings.role_limit = 20; }, 20, Bound::kRole,
       "CONNECTION LIMIT 20 of role app"},
      {"a role's limit beyond the server",
       [](ServerView* view) { view->settings.role_limit = 200; }, 97, Bound::kServer,
       "max_connections 100"},
      {"a role that may not connect", [](ServerView* view) { view->settings.role_limit = 0; }, 0,
       Bound::kRole, "CONNECTION LIMIT 0 of role app"},
      {"a database's limit",
       [](ServerView* view) {
         view->settings.database_limit = 30;
         AddBackends(view, 5, "cron", "orders");
         AddBackends(view, 5, "cron", "stock");
       },
       25, Bound::kDatabase, "CONNECTION LIMIT 30 of database orders − 5 in use by other roles"},
      {"a database that is full",
       [](ServerView* view) {
         view->settings.database_limit = 3;
         AddBackends(view, 5, "cron", "orders");
       },
       0, Bound::kDatabase, "CONNECTION LIMIT 3 of database orders − 5"},
      {"an invalid database", [](ServerView* view) { view->settings.database_limit = -2; }, 97,
       Bound::kServer, "max_connections 100"},
      {"both, the database's is less",
       [](ServerView* view) {
         view->settings.role_limit = 20;
         view->settings.database_limit = 10;
       },
       10, Bound::kDatabase, "of database"},
      {"a superuser",
       [](ServerView* view) {
         view->settings.superuser = true;
         view->settings.role_limit = 1;
         view->settings.database_limit = 1;
       },
       100, Bound::kServer, "max_connections 100 − 0 in use by other roles"},
      {"no list of backends", [](ServerView* view) { view->backends_known = false; }, 97,
       Bound::kServer, "max_connections 100 − 3 reserved for superusers"},
  };
  for (const Case& test : cases) {
    ServerView view = View();
    test.change(&view);
    const Budget budget = MakeBudget(view, {}, {}, {});
    EXPECT_EQ(budget.available, test.available) << test.what;
    EXPECT_EQ(budget.bound, test.bound) << test.what;
    EXPECT_THAT(budget.reason, HasSubstr(test.reason)) << test.what;
    EXPECT_THAT(budget.problems, IsEmpty()) << test.what;
  }
}

TEST(BudgetTest, TooLargeForTheServer) {
  const Budget budget = MakeBudget(View(), {Cap(20)}, {4, 8}, {});
  EXPECT_THAT(
      budget.problems,
      ElementsAre("cap \"db\": 20 connections × 4 instances × 8 workers = 640, but "
                  "app@orders may have 97: max_connections 100 − 3 reserved for superusers "
                  "− 0 in use by other roles; a limit of 3 or less fits, or max_connections "
                  "of 643 or more"));
  ASSERT_EQ(budget.caps.size(), 1u);
  EXPECT_EQ(budget.caps[0].lower, 3u);
}

TEST(BudgetTest, NoLimitFits) {
  const Budget budget = MakeBudget(View(10), {Cap(1)}, {1, 8}, {});
  EXPECT_THAT(budget.problems, ElementsAre(HasSubstr("1 connection × 1 instance × 8 workers = 8, "
                                                     "but app@orders may have 7")));
  EXPECT_THAT(budget.problems, ElementsAre(HasSubstr("no limit fits")));
}

TEST(BudgetTest, TheLastThatFitsAndTheFirstThatDoesNot) {
  EXPECT_THAT(MakeBudget(View(), {Cap(97)}, {}, {}).problems, IsEmpty());
  EXPECT_THAT(MakeBudget(View(), {Cap(98)}, {}, {}).problems, ElementsAre(HasSubstr("= 98, but")));
}

TEST(BudgetTest, TheScopeSaysWhatItIsMultipliedBy) {
  const Deploy deploy = {4, 8};
  const Budget budget = MakeBudget(
      View(10'000),
      {Cap(20, caps::kScopeProcess), Cap(20, caps::kScopeService), Cap(20, caps::kScopeUser)},
      deploy, {});
  ASSERT_EQ(budget.caps.size(), 3u);
  EXPECT_EQ(DemandText(budget.caps[0], deploy), "20 connections × 4 instances × 8 workers = 640");
  EXPECT_EQ(DemandText(budget.caps[1], deploy), "20 connections × 4 instances = 80");
  EXPECT_EQ(DemandText(budget.caps[2], deploy), "20 connections × 4 instances = 80");
}

TEST(BudgetTest, ProductsStayBelowTheEndOfNumbers) {
  const Deploy deploy = {1'000'000, 1'000'000};
  const Budget budget = MakeBudget(View(), {Cap(1'000'000)}, deploy, {});
  EXPECT_EQ(budget.caps[0].connections, 1'000'000'000'000'000'000u);
  EXPECT_EQ(budget.problems.size(), 1u);
  const Budget beyond = MakeBudget(View(), {Cap(4'000'000'000)}, {1ULL << 40, 1ULL << 40}, {});
  EXPECT_EQ(beyond.caps[0].connections, UINT64_MAX);
  EXPECT_EQ(beyond.caps[0].lower, 0u);
  EXPECT_EQ(beyond.problems.size(), 1u);
}

TEST(BudgetTest, OfSeveralCapsTheSmallestDecides) {
  const caps::Policy each = Cap(20, caps::kScopeProcess, "each");
  const caps::Policy all = Cap(10, caps::kScopeUser, "all");
  // 640 by the one, 40 by the other: no more than 40 come through.
  const Budget fits = MakeBudget(View(), {each, all}, {4, 8}, {});
  EXPECT_THAT(fits.problems, IsEmpty());
  EXPECT_FALSE(fits.caps[0].fits);
  const Budget neither = MakeBudget(View(30), {each, all}, {4, 8}, {});
  EXPECT_THAT(neither.problems, ElementsAre(HasSubstr("cap \"all\": 10 connections × 4")));
}

TEST(BudgetTest, CapsOfOtherTargetsAndPacesAreLeftOut) {
  caps::Policy stock = Cap(1'000);
  std::strcpy(stock.dbname, "stock*");
  caps::Policy pace = Cap(1'000);
  pace.kind = caps::kPace;
  caps::Policy mine = Cap(5, caps::kScopeProcess, "mine");
  std::strcpy(mine.dbname, "ord*");
  std::strcpy(mine.host, "db.*");
  std::strcpy(mine.port, "5432");
  std::strcpy(mine.user, "app");
  const Budget budget = MakeBudget(View(), {stock, pace, mine}, {}, {});
  ASSERT_EQ(budget.caps.size(), 1u);
  EXPECT_EQ(budget.caps[0].name, "mine");
  const Budget none = MakeBudget(View(), {stock, pace}, {}, {});
  EXPECT_THAT(none.problems, IsEmpty());
  EXPECT_THAT(none.notes, Contains(HasSubstr("no cap of this configuration speaks of connections "
                                             "to app@orders")));
}

TEST(BudgetTest, ACapOnSomeConnectionsDoesNotBoundTheRest) {
  caps::Policy site = Cap(50, caps::kScopeProcess, "site");
  site.call_site = 0xabc;
  const Budget fits = MakeBudget(View(), {site}, {}, {});
  EXPECT_THAT(fits.problems, IsEmpty());
  EXPECT_THAT(fits.notes, Contains(HasSubstr("for some of the connections to app@orders alone")));
  EXPECT_THAT(MakeBudget(View(), {site}, {2, 1}, {}).problems, ElementsAre(HasSubstr("\"site\"")));
  // What another cap holds back, this one need not.
  EXPECT_THAT(MakeBudget(View(), {site, Cap(10)}, {2, 1}, {}).problems, IsEmpty());
  // Whether the application's name fits cannot be told unless the connection string has it.
  caps::Policy web = Cap(50, caps::kScopeProcess, "web");
  std::strcpy(web.application_name, "web");
  EXPECT_TRUE(MakeBudget(View(), {web}, {}, {}).caps.at(0).partial);
  ServerView named = View();
  named.address.application_name = "web";
  EXPECT_FALSE(MakeBudget(named, {web}, {}, {}).caps.at(0).partial);
  named.address.application_name = "cron";
  EXPECT_THAT(MakeBudget(named, {web}, {}, {}).caps, IsEmpty());
}

TEST(BudgetTest, TooSmallForTheMeasuredNeed) {
  struct Case {
    uint32_t scope;
    uint32_t limit;
    std::vector<MeasuredNeed> needs;
    std::vector<const char*> problems;
  };
  const MeasuredNeed orders = {"orders", 11, 1000, 7, 0};
  const MeasuredNeed second = {"orders", 12, 1000, 6, 6};
  const MeasuredNeed stock = {"stock", 13, 1000, 2, 2};
  const MeasuredNeed peak = {"orders", 14, 1000, 1, 9};
  const MeasuredNeed peak2 = {"orders", 15, 1000, 2, 8};
  const Case cases[] = {
      {caps::kScopeProcess, 7, {orders, second}, {}},
      {caps::kScopeProcess,
       6,
       {orders, second},
       {"cap \"db\": a limit of 6 for each process is below what orders (process 11) uses at "
        "once: 7 at this moment"}},
      {caps::kScopeProcess,
       3,
       {peak},
       {"cap \"db\": a limit of 3 for each process is below what orders (process 14) uses at "
        "once: 9 at its peak"}},
      {caps::kScopeService, 13, {orders, second, stock}, {}},
      {caps::kScopeService,
       12,
       {orders, second, stock},
       {"cap \"db\": a limit of 12 for all processes together is below what orders (2 processes) "
        "uses at once: 13 at this moment"}},
      {caps::kScopeUser,
       14,
       {orders, second, stock},
       {"cap \"db\": a limit of 14 for all processes together is below what user 1000 (3 "
        "processes) uses at once: 15 at this moment"}},
      // Peaks need not have come together: 9 is certain, 17 is not.
      {caps::kScopeService, 9, {peak, peak2}, {}},
      {caps::kScopeService,
       8,
       {peak, peak2},
       {"cap \"db\": a limit of 8 for all processes together is below what one process of orders "
        "uses at once: 9 at its peak"}},
  };
  for (const Case& test : cases) {
    const Budget budget = MakeBudget(View(), {Cap(test.limit, test.scope)}, {}, test.needs);
    std::vector<std::string> expected(test.problems.begin(), test.problems.end());
    EXPECT_EQ(budget.problems, expected) << "limit " << test.limit;
  }
}

TEST(BudgetTest, WorthKnowing) {
  caps::Policy warns = Cap(5);
  warns.rule.on_limit = caps::kWarn;
  ServerView view = View();
  view.settings.superuser = true;
  view.settings.through_pooler = true;
  view.backends_known = false;
  view.missing = {"something is not there"};
  const Budget budget = MakeBudget(view, {warns}, {}, {});
  EXPECT_THAT(budget.notes, Contains("something is not there"));
  EXPECT_THAT(budget.notes, Contains(HasSubstr("'app' is a superuser")));
  EXPECT_THAT(budget.notes, Contains(HasSubstr("through a pooler")));
  EXPECT_THAT(budget.notes, Contains(HasSubstr("not known, and not taken off")));
  EXPECT_THAT(budget.notes, Contains(HasSubstr("cap \"db\" warns")));
}

TEST(MeasuredNeedTest, WhatIsInUseOfThatTargetCounts) {
  Snapshot snapshot;
  snapshot.process.pid = 11;
  snapshot.process.service = "orders";
  snapshot.process.uid = 1000;
  snapshot.process.life = Life::kLive;
  snapshot.targets = {{}, {"h", "orders", "app", "", 5432}, {"h", "stock", "app", "", 5432}};
  const auto add = [&](uint32_t target, Transaction transaction, const char* in_call) {
    Connection connection;
    connection.target = target;
    connection.transaction = transaction;
    connection.in_call = in_call;
    snapshot.connections.push_back(connection);
  };
  add(1, Transaction::kIdle, "");
  add(1, Transaction::kIdle, "PQexec");
  add(1, Transaction::kActive, "");
  add(1, Transaction::kOpen, "");
  add(1, Transaction::kFailed, "");
  add(2, Transaction::kOpen, "");
  const auto needs = MeasureNeed({snapshot}, "", "orders", "app");
  ASSERT_EQ(needs.size(), 1u);
  EXPECT_EQ(needs[0].in_use, 4u);
  EXPECT_EQ(needs[0].pid, 11);
  EXPECT_EQ(needs[0].peak, 0u) << "not that of this target alone";
  EXPECT_EQ(MeasureNeed({snapshot}, "orders", "stock", "app").at(0).in_use, 1u);
  EXPECT_THAT(MeasureNeed({snapshot}, "stock", "orders", "app"), IsEmpty());
  EXPECT_THAT(MeasureNeed({snapshot}, "", "orders", "cron"), IsEmpty());
  // Where all lead there, the most that the process ever used at once is known.
  snapshot.connections.pop_back();
  snapshot.totals.in_use_peak = 7;
  EXPECT_EQ(MeasureNeed({snapshot}, "", "orders", "app").at(0).in_use, 4u);
  EXPECT_EQ(MeasureNeed({snapshot}, "", "orders", "app").at(0).peak, 7u);
  snapshot.process.life = Life::kKilled;
  EXPECT_THAT(MeasureNeed({snapshot}, "", "orders", "app"), IsEmpty());
}

}  // namespace
}  // namespace pqleash::reporter
