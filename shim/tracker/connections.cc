// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/connections.h"

#include <sched.h>

namespace pqleash::tracker {

namespace {

constexpr uint32_t kMaxTurns = 10'000;
constexpr uint32_t kSpins = 64;
constexpr uint64_t kSlotMask = 0xffffffff;
constexpr uint64_t kCountOne = uint64_t{1} << 32;

}  // namespace

void Connections::Use(ledger::Ledger* ledger, Connection* connections, uint32_t capacity,
                      Bucket* buckets, uint32_t bucket_count) {
  ledger_ = ledger;
  connections_ = connections;
  capacity_ = capacity;
  buckets_ = buckets;
  bucket_count_ = bucket_count;
}

uint32_t Connections::Reserve() {
  uint64_t top = free_.load(std::memory_order_acquire);
  while ((top & kSlotMask) != 0) {
    const auto slot = static_cast<uint32_t>(top & kSlotMask) - 1;
    const uint64_t below = connections_[slot].next.load(std::memory_order_relaxed);
    const uint64_t next = ((top & ~kSlotMask) + kCountOne) | below;
    if (free_.compare_exchange_weak(top, next, std::memory_order_acquire)) return slot;
  }
  uint32_t& high_water = ledger_->header().connections_high_water;
  uint32_t slot = ledger::Load(high_water);
  do {
    if (slot >= capacity_ || !ledger_->MakeRoom(ledger::kConnections, slot + 1)) return kNoSlot;
  } while (
      !ledger::Atomic(high_water).compare_exchange_weak(slot, slot + 1, std::memory_order_acq_rel));
  return slot;
}

void Connections::Release(uint32_t slot) {
  uint64_t top = free_.load(std::memory_order_relaxed);
  uint64_t next;
  do {
    connections_[slot].next.store(static_cast<uint32_t>(top & kSlotMask),
                                  std::memory_order_relaxed);
    next = ((top & ~kSlotMask) + kCountOne) | (slot + 1);
  } while (!free_.compare_exchange_weak(top, next, std::memory_order_release));
}

bool Connections::Lock(Bucket& bucket) {
  for (uint32_t turn = 0; turn < kMaxTurns; ++turn) {
    uint32_t version = bucket.version.load(std::memory_order_relaxed);
    if (version % 2 == 0 &&
        bucket.version.compare_exchange_weak(version, version + 1, std::memory_order_acquire)) {
      std::atomic_thread_fence(std::memory_order_release);
      return true;
    }
    if (turn >= kSpins) sched_yield();
  }
  return false;
}

void Connections::Unlock(Bucket& bucket) { bucket.version.fetch_add(1, std::memory_order_release); }

uint32_t Connections::Unlink(Bucket& bucket, const PGconn* handle) {
  std::atomic<uint32_t>* link = &bucket.head;
  while (const uint32_t position = link->load(std::memory_order_relaxed)) {
    Connection& connection = connections_[position - 1];
    if (connection.handle.load(std::memory_order_relaxed) == handle) {
      link->store(connection.next.load(std::memory_order_relaxed), std::memory_order_release);
      connection.handle.store(nullptr, std::memory_order_relaxed);
      return position - 1;
    }
    link = &connection.next;
  }
  return kNoSlot;
}

bool Connections::Insert(uint32_t slot, const PGconn* handle, uint32_t* stale) {
  Bucket& bucket = BucketOf(handle);
  *stale = kNoSlot;
  if (!Lock(bucket)) return false;
  *stale = Unlink(bucket, handle);
  Connection& connection = connections_[slot];
  connection.handle.store(handle, std::memory_order_relaxed);
  connection.next.store(bucket.head.load(std::memory_order_relaxed), std::memory_order_relaxed);
  bucket.head.store(slot + 1, std::memory_order_release);
  Unlock(bucket);
  return true;
}

uint32_t Connections::Remove(const PGconn* handle) {
  Bucket& bucket = BucketOf(handle);
  if (bucket.head.load(std::memory_order_acquire) == 0 || !Lock(bucket)) return kNoSlot;
  const uint32_t slot = Unlink(bucket, handle);
  Unlock(bucket);
  return slot;
}

uint32_t Connections::FindAgain(const PGconn* handle) const {
  const Bucket& bucket = BucketOf(handle);
  for (uint32_t turn = 0; turn < kMaxTurns; ++turn) {
    const uint32_t version = bucket.version.load(std::memory_order_acquire);
    const uint32_t slot = Walk(bucket, handle);
    if (slot != kNoSlot) return slot;
    std::atomic_thread_fence(std::memory_order_acquire);
    if (version % 2 == 0 && bucket.version.load(std::memory_order_relaxed) == version)
      return kNoSlot;
    if (turn >= kSpins) sched_yield();
  }
  return kNoSlot;
}

}  // namespace pqleash::tracker
