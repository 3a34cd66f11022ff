// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/totals_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;

// Sources that are there, by name.
class TotalsMemoryTest : public ::testing::Test {
 protected:
  void Take(const std::vector<CountersReading>& readings) {
    memory_.Take(readings, [this](const std::string& source) { return there_.contains(source); });
  }
  const Counters& Sum(const std::string& group) { return memory_.sums().at(group); }

  std::set<std::string> there_;
  TotalsMemory memory_{2, 2};
};

TEST_F(TotalsMemoryTest, SumsOverSources) {
  Take({{"a", "orders", {1, 10}}, {"b", "orders", {2, 20}}, {"c", "mail", {5, 50}}});
  EXPECT_THAT(Sum("orders"), ElementsAre(3, 30));
  EXPECT_THAT(Sum("mail"), ElementsAre(5, 50));
  Take({{"a", "orders", {4, 10}}, {"b", "orders", {2, 21}}, {"c", "mail", {5, 50}}});
  EXPECT_THAT(Sum("orders"), ElementsAre(6, 31));
}

TEST_F(TotalsMemoryTest, WhatIsGoneStaysCounted) {
  Take({{"a", "orders", {7, 1}}});
  Take({});
  EXPECT_EQ(memory_.sources(), 0u);
  EXPECT_THAT(Sum("orders"), ElementsAre(7, 1));
  Take({{"b", "orders", {1, 1}}});
  EXPECT_THAT(Sum("orders"), ElementsAre(8, 2));
}

TEST_F(TotalsMemoryTest, WhatCouldNotBeReadIsNotCountedTwice) {
  there_ = {"a"};
  Take({{"a", "orders", {7, 1}}});
  Take({});
  Take({{"a", "orders", {8, 1}}});
  EXPECT_THAT(Sum("orders"), ElementsAre(8, 1));
}

TEST_F(TotalsMemoryTest, AnEndedSourceIsForgottenAtOnce) {
  there_ = {"a"};
  Take({{"a", "orders", {7, 1}, /*final=*/true}});
  EXPECT_EQ(memory_.sources(), 0u);
  Take({});
  EXPECT_THAT(Sum("orders"), ElementsAre(7, 1));
}

TEST_F(TotalsMemoryTest, NothingGoesBackwards) {
  Take({{"ledger", "orders", {7, 1}}, {"board", "mail", {7, 1}, false, /*restarts=*/true}});
  Take({{"ledger", "orders", {6, 2}}, {"board", "mail", {3, 2}, false, true}});
  EXPECT_THAT(Sum("orders"), ElementsAre(7, 2)) << "read while it was written";
  EXPECT_THAT(Sum("mail"), ElementsAre(10, 2)) << "made anew";
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  Take({{"x", "orders", {kMost, kMost}}});
  Take({{"y", "orders", {kMost, 1}}});
  EXPECT_THAT(Sum("orders"), ElementsAre(kMost, kMost)) << "does not wrap around";
}

TEST_F(TotalsMemoryTest, GroupsAreBounded) {
  Take({{"a", "one", {1, 0}}, {"b", "two", {1, 0}}});
  for (int i = 0; i < 1'000; ++i) Take({{"c", "group" + std::to_string(i), {1, 0}, true}});
  EXPECT_EQ(memory_.sums().size(), 3u);
  EXPECT_THAT(Sum("other"), ElementsAre(1'000, 0));
  EXPECT_EQ(memory_.NameOf("two"), "two");
  EXPECT_EQ(memory_.NameOf("group7"), "other");
  EXPECT_EQ(memory_.sources(), 0u) << "those that are gone are not kept";
}

}  // namespace
}  // namespace pqleash::reporter
