// SPDX-License-Identifier: Apache-2.0
//
// Connections whose only holders are lost themselves: an owner that was allocated and never
// deleted, objects that hold each other by shared pointers.

#ifndef PQLEASH_REPORTER_REACHABILITY_LOST_OWNERS_H_
#define PQLEASH_REPORTER_REACHABILITY_LOST_OWNERS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "reporter/reachability/candidates.h"
#include "reporter/reachability/memory_pass.h"
#include "reporter/reachability/process_view.h"
#include "reporter/reachability/references.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

struct LostOwner {
  size_t candidate = 0;              // index
  std::vector<AddressRange> owners;  // blocks of the heap; the one that holds the PGconn first
  std::string missing;               // one clause: what could not be looked at; empty: nothing
};

inline constexpr size_t kMaxOwners = 64;               // of one connection
inline constexpr size_t kMaxOwnerPasses = 8;           // over the memory
inline constexpr size_t kMaxOwnedConnections = 1'024;  // of a process that are looked at

struct OwnerSearch {
  uint64_t min_idle_ns = 0;    // what was used within this time before the snapshot has a holder
  bool all_registers = false;  // see LookBesideMemory
};

// Goes backwards from the connections that words on the heap alone hold: from a word to the block
// of malloc that it lies in, and to the words that lead into that block, until no more are found.
// Each step is a pass over the memory. A word anywhere else - in a variable, a stack, a register,
// or memory of another allocator - ends the way: such a connection is held. So does a way through
// more than kMaxOwners blocks, or a time that is over.
std::vector<LostOwner> FindLostOwners(const Snapshot& snapshot, const OwnerSearch& search,
                                      const Deadline& deadline, ProcessView* view,
                                      Candidates* candidates, References* references);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_LOST_OWNERS_H_
