// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace pqleash::caps {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kNow = 1'000'000 * kMs;

Record Cap(uint32_t limit, uint32_t use) {
  Record record = {};
  record.filed.kind = kCap;
  record.rule.limit = limit;
  record.use = use;
  return record;
}

Record Pace(uint64_t interval, uint32_t burst) {
  Record record = {};
  record.filed.kind = kPace;
  record.rule.interval_ns = interval;
  record.rule.burst = burst;
  return record;
}

TEST(Limits, ACapHasRoomBelowItsLimit) {
  const struct {
    uint32_t limit, use;
    uint64_t room_at;
  } cases[] = {{1, 0, kNow},  {1, 1, kNever},   {1, 2, kNever},
               {10, 9, kNow}, {10, 10, kNever}, {10, 11, kNever}};
  for (const auto& each : cases)
    EXPECT_EQ(RoomAt(Cap(each.limit, each.use), kNow), each.room_at)
        << each.use << " of " << each.limit;
}

TEST(Limits, APaceLetsItsBurstGoAtOnceAndThenOneAnInterval) {
  const struct {
    uint64_t interval;
    uint32_t burst;
    std::vector<uint64_t> after_ms;  // when each of the connects that come together may go
  } cases[] = {
      {20 * kMs, 1, {0, 20, 40, 60}},
      {20 * kMs, 3, {0, 0, 0, 20, 40}},
      {1'000 * kMs, 2, {0, 0, 1'000, 2'000}},
      {0, 1, {0, 0, 0, 0}},        // no rate
      {20 * kMs, 0, {0, 20, 40}},  // no burst counts as one
  };
  for (const auto& each : cases) {
    Record pace = Pace(each.interval, each.burst);
    uint64_t now = kNow;
    for (size_t i = 0; i < each.after_ms.size(); ++i) {
      now = RoomAt(pace, now);
      EXPECT_EQ(now, kNow + each.after_ms[i] * kMs)
          << i << " at " << each.interval << " ns, burst " << each.burst;
      if (now > kNow) {
        EXPECT_FALSE(HasRoom(pace, now - 1));
      }
      pace.full_at_ns = FullAtAfter(pace, now);
    }
  }
}

TEST(Limits, AnIdlePaceSavesUpNoMoreThanItsBurst) {
  Record pace = Pace(20 * kMs, 3);
  for (int i = 0; i < 3; ++i) pace.full_at_ns = FullAtAfter(pace, kNow);
  const uint64_t later = kNow + 3'600'000 * kMs;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(HasRoom(pace, later)) << i;
    pace.full_at_ns = FullAtAfter(pace, later);
  }
  EXPECT_EQ(RoomAt(pace, later), later + 20 * kMs);
}

TEST(Limits, ConnectsThatOnlyWarnLeaveNoDebt) {
  Record pace = Pace(20 * kMs, 2);
  for (int i = 0; i < 1'000; ++i) pace.full_at_ns = FullAtAfter(pace, kNow);
  EXPECT_EQ(RoomAt(pace, kNow), kNow + 20 * kMs);
}

TEST(Limits, NumbersWithoutReasonHoldNobodyBackForEverByAnOverflow) {
  Record pace = Pace(UINT64_MAX, UINT32_MAX);
  EXPECT_EQ(RoomAt(pace, kNow), kNow);
  pace.full_at_ns = FullAtAfter(pace, kNow);
  EXPECT_EQ(pace.full_at_ns, UINT64_MAX);
  EXPECT_EQ(RoomAt(pace, kNow), kNow);
  EXPECT_EQ(FullAtMost(pace, kNow), UINT64_MAX);
  EXPECT_EQ(FullAtMost(Pace(20 * kMs, 3), kNow), kNow + 60 * kMs);
}

TEST(Limits, AFullServerHoldsBackAllButOneThatTries) {
  const struct {
    uint64_t since, probe_at;
    uint32_t prober, on_server_full;
    uint64_t room_at;
  } cases[] = {
      {0, kNow + 5, kNoEntry, kFullBackoff, kNow},  // it takes connections
      {1, kNow + 5, kNoEntry, kFullBackoff, kNow + 5},
      {1, kNow, kNoEntry, kFullBackoff, kNow},
      {1, kNow - 5, kNoEntry, kFullBackoff, kNow},
      {1, kNow - 5, 7, kFullBackoff, kNever},  // somebody tries
      {1, kNow + 5, 7, kFullIgnored, kNow},
  };
  for (const auto& each : cases) {
    Record pace = Pace(0, 1);
    pace.server_full_since_ns = each.since;
    pace.probe_at_ns = each.probe_at;
    pace.prober = each.prober;
    pace.rule.on_server_full = each.on_server_full;
    EXPECT_EQ(RoomAt(pace, kNow), each.room_at)
        << each.since << ' ' << each.probe_at << ' ' << each.prober;
  }
}

TEST(Limits, TheBackOffDoublesUpToTenSecondsAndVariesByAQuarter) {
  const struct {
    uint32_t probes;
    uint64_t base_ms;
  } cases[] = {{0, 100},    {1, 200},     {2, 400},     {6, 6'400},
               {7, 10'000}, {20, 10'000}, {63, 10'000}, {UINT32_MAX, 10'000}};
  for (const auto& each : cases) {
    const uint64_t base = each.base_ms * kMs;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (uint64_t seed = 0; seed < 1'000; ++seed) {
      const uint64_t wait = Backoff(each.probes, seed);
      least = std::min(least, wait);
      most = std::max(most, wait);
    }
    EXPECT_GE(least, base * 3 / 4) << each.probes;
    EXPECT_LE(most, base * 5 / 4) << each.probes;
    EXPECT_LT(least, base * 8 / 10) << each.probes << ": hardly any jitter";
    EXPECT_GT(most, base * 12 / 10) << each.probes << ": hardly any jitter";
  }
}

}  // namespace
}  // namespace pqleash::caps
