// SPDX-License-Identifier: Apache-2.0
//
// The PGconns of the process: which slot of the ledger and which copy of libpq belongs to an
// address.
//
// Invariants
//  1. A slot is in exactly one place: never used, on the free list, reserved by one thread, in the
//  table, or kept as evidence: its record tells what an interpreter's shutdown has closed.
//  2. A PGconn is in the table from the moment its creator returned it until just before PQfinish,
//  after which libpq may
//     hand the address out again.
//  3. Find takes no lock and misses nothing that its caller may use: the caller owns the PGconn, so
//  nobody else inserts
//     or removes it meanwhile; a chain that changed under the walk because of others is walked
//     again.

#ifndef PQLEASH_SHIM_TRACKER_CONNECTIONS_H_
#define PQLEASH_SHIM_TRACKER_CONNECTIONS_H_

#include <libpq-fe.h>

#include <atomic>
#include <cstdint>

#include "shim/ledger/ledger.h"
#include "shim/support/hash.h"

namespace pqleash::tracker {

inline constexpr uint32_t kNoSlot = UINT32_MAX;

// What the process itself must know of a slot; beside the ledger's record, which the reader may
// see.
struct Connection {
  std::atomic<const PGconn*> handle;
  std::atomic<uint32_t>
      next;        // 1 + slot, in the chain of its bucket or on the free list; 0: the last
  uint32_t state;  // ledger::ConnectionState
  uint32_t call_site;
  uint16_t libpq;           // number of the copy that serves it
  bool counted;             // in `open` of the process and of the call site
  uint64_t started_ns;      // CLOCK_MONOTONIC when the connect began, or was let go by the caps
  uint64_t busy_since_ns;   // CLOCK_MONOTONIC_COARSE; 0: idle
  uint64_t idle_active_ns;  // how much of the process's active time had passed then (lifecycle.h)
  uint64_t idle_ticks;  // when the latest use ended, by the processor's counter (support/ticks.h);
                        // 0: was never used
};

// Thread-safe.
class Connections {
 public:
  struct Bucket {
    std::atomic<uint32_t> version;  // odd while a writer is in the chain
    std::atomic<uint32_t> head;     // 1 + slot; 0: empty
  };

  // Zeroed memory for `capacity` connections and `bucket_count` (a power of two) buckets.
  void Use(ledger::Ledger* ledger, Connection* connections, uint32_t capacity, Bucket* buckets,
           uint32_t bucket_count);

  // Takes a free slot; kNoSlot when there is none or its page cannot be made.
  uint32_t Reserve();
  // Gives a slot back that is in no chain. Its record in the ledger must be free already.
  void Release(uint32_t slot);

  // Enters `handle`. An entry of the same address is left over from a PQfinish that passed us by:
  // its slot is returned in `*stale` (else kNoSlot), taken out of the table. False: the bucket
  // could not be locked in time.
  bool Insert(uint32_t slot, const PGconn* handle, uint32_t* stale);
  // Takes `handle` out. kNoSlot: it is not there.
  uint32_t Remove(const PGconn* handle);
  // Slot of `handle`, or kNoSlot. In line: it is on the path of a query.
  uint32_t Find(const PGconn* handle) const {
    const uint32_t slot = Walk(BucketOf(handle), handle);
    return slot != kNoSlot ? slot : FindAgain(handle);
  }

  Connection& At(uint32_t slot) { return connections_[slot]; }
  const Connection& At(uint32_t slot) const { return connections_[slot]; }

 private:
  Bucket& BucketOf(const PGconn* handle) const {
    return buckets_[Mix(reinterpret_cast<uintptr_t>(handle), 0) & (bucket_count_ - 1)];
  }
  // The chain as it is at this moment. A chain that changes under the walk could lead in circles:
  // no chain is longer than the capacity.
  uint32_t Walk(const Bucket& bucket, const PGconn* handle) const {
    uint32_t position = bucket.head.load(std::memory_order_acquire);
    for (uint32_t step = 0; position != 0 && step < capacity_; ++step) {
      const Connection& connection = connections_[position - 1];
      if (connection.handle.load(std::memory_order_acquire) == handle) return position - 1;
      position = connection.next.load(std::memory_order_acquire);
    }
    return kNoSlot;
  }
  uint32_t FindAgain(const PGconn* handle) const;
  static bool Lock(Bucket& bucket);
  static void Unlock(Bucket& bucket);
  uint32_t Unlink(Bucket& bucket, const PGconn* handle);

  ledger::Ledger* ledger_;
  Connection* connections_;
  Bucket* buckets_;
  uint32_t capacity_;
  uint32_t bucket_count_;
  std::atomic<uint64_t> free_;  // upper half: a counter against ABA; lower half: 1 + slot; 0: empty
};

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_CONNECTIONS_H_
