// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/connections.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "tests/shim/tracker_fixture.h"

namespace pqleash::tracker {
namespace {

TEST(Connections, FindsWhatWasInserted) {
  TrackerFixture f;
  const uint32_t a = f.Open(1);
  const uint32_t b = f.Open(2);
  EXPECT_EQ(f.connections->Find(f.Handle(1)), a);
  EXPECT_EQ(f.connections->Find(f.Handle(2)), b);
  EXPECT_EQ(f.connections->Find(f.Handle(3)), kNoSlot);
  f.Close(1);
  EXPECT_EQ(f.connections->Find(f.Handle(1)), kNoSlot);
  EXPECT_EQ(f.connections->Find(f.Handle(2)), b);
}

TEST(Connections, AllInOneBucketAreFoundAndRemovedInAnyOrder) {
  constexpr uint32_t kCount = 8;
  for (uint32_t removed = 0; removed < kCount; ++removed) {
    TrackerFixture f(kCount, 1);
    for (uint32_t i = 0; i < kCount; ++i) f.Open(i);
    f.Close(removed);
    for (uint32_t i = 0; i < kCount; ++i) {
      EXPECT_EQ(f.connections->Find(f.Handle(i)) == kNoSlot, i == removed) << removed << ' ' << i;
    }
  }
}

TEST(Connections, SlotsAreReusedBeforeNewOnesAreTaken) {
  TrackerFixture f;
  for (int round = 0; round < 100; ++round) {
    f.Open(1);
    f.Open(2);
    f.Close(1);
    f.Close(2);
  }
  EXPECT_EQ(f.Header().connections_high_water, 2u);
}

TEST(Connections, BeyondTheCapacityThereIsNoSlotAndThatIsCounted) {
  TrackerFixture f(4);
  for (uint32_t i = 0; i < 4; ++i) EXPECT_NE(f.Open(i), kNoSlot);
  EXPECT_EQ(f.Open(4), kNoSlot);
  EXPECT_EQ(f.Header().unrecorded_connections, 1u);
  f.Close(2);
  EXPECT_NE(f.Open(4), kNoSlot);
}

TEST(Connections, AnAddressThatComesAgainReplacesWhatWasClosedPastUs) {
  TrackerFixture f;
  const uint32_t stale = f.Open(1);
  f.lifecycle->Established(stale, {}, 200);
  const uint32_t slot = f.Open(1);
  EXPECT_NE(slot, stale);
  EXPECT_EQ(f.connections->Find(f.Handle(1)), slot);
  EXPECT_EQ(f.Slot(stale).state, ledger::kSlotFree);
  EXPECT_EQ(f.Header().closed, 1u);
  EXPECT_EQ(f.Header().open, 0u);
}

TEST(Connections, ThreadsDoNotMeetInASlot) {
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kHeld = 16;
  // Few buckets, so that threads meet in chains.
  TrackerFixture f(kThreads * kHeld, 4);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 500; ++round) {
        std::set<uint32_t> mine;
        for (uint32_t i = 0; i < kHeld; ++i) mine.insert(f.Open(t * kHeld + i));
        ASSERT_EQ(mine.size(), kHeld);
        for (uint32_t i = 0; i < kHeld; ++i) {
          ASSERT_EQ(mine.count(f.connections->Find(f.Handle(t * kHeld + i))), 1u);
        }
        for (uint32_t i = 0; i < kHeld; ++i) f.Close(t * kHeld + i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(f.Header().unrecorded_connections, 0u);
  EXPECT_LE(f.Header().connections_high_water, kThreads * kHeld);
}

}  // namespace
}  // namespace pqleash::tracker
