// SPDX-License-Identifier: Apache-2.0
//
// What a cap or a pace would speak of, and hold back, in processes that run.

#include "reporter/report/caps_use.h"

#include <gtest/gtest.h>

#include <cstring>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kNow = 1'000 * kSecondNs;

caps::Policy Cap(uint32_t limit, uint32_t scope = caps::kScopeService,
                 uint32_t on_limit = caps::kWait) {
  caps::Policy policy = {};
  policy.kind = caps::kCap;
  policy.scope = scope;
  policy.rule.limit = limit;
  policy.rule.on_limit = on_limit;
  return policy;
}

// `open` to database shop, opened by call site 7.
Snapshot Process(uint64_t open, std::vector<HistoryPeriod> history = {}) {
  Snapshot snapshot;
  snapshot.as_of_ns = kNow;
  snapshot.targets.resize(2);
  snapshot.targets[1].dbname = "shop";
  snapshot.targets[1].port = 5432;
  snapshot.call_sites.resize(2);
  snapshot.call_sites[1].id = 7;
  for (uint64_t i = 0; i < open; ++i) {
    Connection& connection = snapshot.connections.emplace_back();
    connection.target = connection.call_site = 1;
  }
  Connection& failed = snapshot.connections.emplace_back();
  failed.state = ConnectionState::kFailed;
  snapshot.totals.open = open;
  snapshot.history = std::move(history);
  return snapshot;
}

HistoryPeriod Period(uint64_t ago, uint32_t opened, uint32_t closed, uint32_t open_peak) {
  HistoryPeriod period;
  period.period = kNow / kHistoryPeriodNs - ago;
  period.opened = opened;
  period.closed = closed;
  period.open_peak = open_peak;
  return period;
}

TEST(CapsUseTest, CountsWhatThePolicySpeaksOf) {
  const std::vector<Snapshot> processes = {Process(3), Process(5)};
  EXPECT_EQ(CapsUseOf(Cap(9), processes).open, 8u);
  EXPECT_EQ(CapsUseOf(Cap(9, caps::kScopeUser), processes).open, 8u);
  EXPECT_EQ(CapsUseOf(Cap(9, caps::kScopeProcess), processes).open, 5u);
  caps::Policy policy = Cap(9);
  std::strcpy(policy.dbname, "sh*");
  std::strcpy(policy.port, "5432");
  EXPECT_EQ(CapsUseOf(policy, processes).open, 8u);
  std::strcpy(policy.dbname, "desk");
  EXPECT_EQ(CapsUseOf(policy, processes).open, 0u);
  policy = Cap(9);
  policy.call_site = 8;
  EXPECT_EQ(CapsUseOf(policy, processes).open, 0u);
}

TEST(CapsUseTest, HoldsAllFromTheLimitOn) {
  struct Case {
    caps::Policy policy;
    bool holds;
    const char* why;
  };
  caps::Policy pace = Cap(1);
  pace.kind = caps::kPace;
  const std::vector<Snapshot> processes = {Process(3), Process(5)};
  for (const Case& test :
       {Case{Cap(9), false, ""},
        Case{Cap(8), true, "8 are open and the limit is 8, so that every next connect would wait"},
        Case{Cap(8, caps::kScopeService, caps::kReject), true,
             "8 are open and the limit is 8, so that every next connect would be refused"},
        Case{Cap(8, caps::kScopeService, caps::kWarn), false, ""},
        Case{Cap(6, caps::kScopeProcess), false, ""},
        Case{Cap(5, caps::kScopeProcess), true,
             "up to 5 are open in 1 of 2 processes and the limit is 5, so that every next connect "
             "there would wait"},
        Case{pace, false, ""}}) {
    const CapsUse use = CapsUseOf(test.policy, processes);
    EXPECT_EQ(HoldsAll(test.policy, use), test.holds) << test.policy.rule.limit << test.why;
    if (!test.holds) continue;
    EXPECT_EQ(WhyItHoldsAll(test.policy, use), test.why);
  }
  EXPECT_FALSE(HoldsAll(Cap(1), CapsUseOf(Cap(1), {}))) << "nobody is there to be held";
}

TEST(CapsUseTest, WhatACapWouldHaveHeld) {
  // 2 were open; a burst took it to 12, then to 6 and 6 again.
  const std::vector<Snapshot> burst = {
      Process(6, {Period(3, 20, 16, 12), Period(2, 10, 10, 7), Period(0, 0, 0, 6)})};
  const auto held = [&](uint32_t limit) { return WouldHaveHeld(Cap(limit), burst).held; };
  EXPECT_EQ(held(12), 0u);
  EXPECT_EQ(held(11), 1u);
  EXPECT_EQ(held(7), 5u);
  EXPECT_EQ(held(6), 6u + 10u) << "all of the period in which 6 and more were open throughout";
  EXPECT_EQ(held(1), 20u + 10u);
  const WouldHold would = WouldHaveHeld(Cap(7), burst);
  EXPECT_EQ(would.connects, 30u);
  EXPECT_EQ(would.since_ns, 30 * kSecondNs);
  EXPECT_EQ(DescribeWouldHold(would), "would have held at least 5 of the last 30 connects (30 s)");
  EXPECT_EQ(DescribeWouldHold(WouldHaveHeld(Cap(12), burst)),
            "would have held none of the last 30 connects (30 s)");
  EXPECT_EQ(DescribeWouldHold(WouldHaveHeld(Cap(12), {Process(3)})),
            "no connect is known that it would have held");
}

TEST(CapsUseTest, ScopeSaysWhatIsCountedTogether) {
  const std::vector<Snapshot> two = {Process(4, {Period(1, 4, 0, 4)}),
                                     Process(4, {Period(1, 4, 0, 4)})};
  EXPECT_EQ(WouldHaveHeld(Cap(6), two).held, 2u);
  EXPECT_EQ(WouldHaveHeld(Cap(6, caps::kScopeProcess), two).held, 0u);
  EXPECT_EQ(WouldHaveHeld(Cap(3, caps::kScopeProcess), two).held, 2u);
  caps::Policy narrow = Cap(6);
  std::strcpy(narrow.dbname, "shop");
  EXPECT_TRUE(WouldHaveHeld(narrow, two).of_all);
}

TEST(CapsUseTest, WhatAPaceWouldHaveHeld) {
  caps::Policy pace = {};
  pace.kind = caps::kPace;
  pace.scope = caps::kScopeService;
  pace.rule.interval_ns = kSecondNs;  // 10 in a period
  pace.rule.burst = 2;
  const std::vector<Snapshot> processes = {
      Process(0, {Period(2, 12, 12, 1), Period(1, 15, 15, 1)})};
  EXPECT_EQ(WouldHaveHeld(pace, processes).held, 3u);
}

}  // namespace
}  // namespace pqleash::reporter
