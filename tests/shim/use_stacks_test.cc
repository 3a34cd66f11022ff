// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/use_stacks.h"

#include <gtest/gtest.h>

namespace pqleash::tracker {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

TEST(UseStacks, AreSoManyASecond) {
  Budget budget = {};
  EXPECT_TRUE(budget.empty());
  budget.Use(3);
  EXPECT_FALSE(budget.empty());
  for (const uint64_t second : {5u, 6u, 4'000'000u}) {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.Spend(second * kSecond + 7)) << i;
    for (int i = 0; i < 100'000; ++i) ASSERT_FALSE(budget.Spend((second + 1) * kSecond - 1));
  }
  budget.Use(10'000);
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(budget.Spend(9 * kSecond));
  EXPECT_FALSE(budget.Spend(9 * kSecond));
}

TEST(UseStacks, OfAUseThatBeginsAfterARestOrOnAnotherThread) {
  UseStacks stacks = {};
  Connection connection = {};
  ledger::ConnectionSlot record = {};
  const auto self = reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
  EXPECT_FALSE(stacks.TakesUp(connection, record)) << "switched off";
  stacks.Use(1);
  EXPECT_TRUE(stacks.TakesUp(connection, record)) << "never used before";
  record.last_thread = self;
  connection.idle_ticks = Ticks() - 3 * HalfMillisecondOfTicks();
  EXPECT_TRUE(stacks.TakesUp(connection, record)) << "rested";
  record.last_thread = self + 1;
  connection.idle_ticks = Ticks();
  EXPECT_TRUE(stacks.TakesUp(connection, record)) << "another thread";
}

}  // namespace
}  // namespace pqleash::tracker
