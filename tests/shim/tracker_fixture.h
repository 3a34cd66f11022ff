// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_SHIM_TRACKER_FIXTURE_H_
#define PQLEASH_TESTS_SHIM_TRACKER_FIXTURE_H_

#include <gtest/gtest.h>

#include <bit>
#include <memory>
#include <vector>

#include "shim/tracker/connections.h"
#include "shim/tracker/lifecycle.h"

namespace pqleash::tracker {

// Connections and their life over a ledger in memory, with one call site, number 1.
struct TrackerFixture {
  explicit TrackerFixture(uint32_t capacity = 8, uint32_t bucket_count = 0)
      : records(capacity),
        buckets(bucket_count != 0 ? bucket_count : std::bit_ceil(capacity * 2)),
        ledger(new ledger::Ledger()),
        connections(new Connections()),
        lifecycle(new Lifecycle()) {
    const ledger::Capacities capacities = {capacity, 2, 1, 1, 1, 1, 8, ledger::kHistoryPeriods, 0};
    EXPECT_TRUE(ledger->Map(-1, capacities));
    EXPECT_TRUE(ledger->MakeRoom(ledger::kCallSites, 2));
    connections->Use(ledger.get(), records.data(), capacity, buckets.data(),
                     static_cast<uint32_t>(buckets.size()));
    lifecycle->Use(ledger.get(), connections.get(), nullptr);
  }

  static const PGconn* Handle(uintptr_t number) {
    return reinterpret_cast<const PGconn*>(0x1000 + 0x40 * number);
  }

  // A slot that is connecting and in the table.
  uint32_t Open(uintptr_t number) {
    const uint32_t slot = lifecycle->Begin({1, 7, "worker\0\0\0\0\0\0\0\0\0", 100, 0});
    if (slot != kNoSlot) {
      EXPECT_TRUE(lifecycle->Attach(slot, Handle(number), {}));
    }
    return slot;
  }
  void Close(uintptr_t number) {
    const uint32_t slot = connections->Remove(Handle(number));
    ASSERT_NE(slot, kNoSlot);
    lifecycle->Ended(slot, 300);
  }
  void CloseBy(uintptr_t number, const stack::Closer& closer) {
    const uint32_t slot = connections->Remove(Handle(number));
    ASSERT_NE(slot, kNoSlot);
    lifecycle->ClosedBy(slot, closer, 300);
  }

  const ledger::ConnectionSlot& Slot(uint32_t slot) const {
    return ledger->At<ledger::ConnectionSlot>(ledger::kConnections, slot);
  }
  const ledger::CallSite& Site() const {
    return ledger->At<ledger::CallSite>(ledger::kCallSites, 1);
  }
  const ledger::Header& Header() const { return ledger->header(); }

  std::vector<Connection> records;
  std::vector<Connections::Bucket> buckets;
  std::unique_ptr<ledger::Ledger> ledger;
  std::unique_ptr<Connections> connections;
  std::unique_ptr<Lifecycle> lifecycle;
};

}  // namespace pqleash::tracker

#endif  // PQLEASH_TESTS_SHIM_TRACKER_FIXTURE_H_
