// SPDX-License-Identifier: Apache-2.0
//
// The copies of libpq in this process: found when first needed, kept for good (each is pinned in
// memory, so that its functions stay callable). Survives fork.
//
// All functions are thread-safe. They hold no lock of ours while the dynamic linker works: two
// threads that find the same copy at once enter it twice, which harms nothing.

#ifndef PQLEASH_SHIM_LIBPQ_COPIES_H_
#define PQLEASH_SHIM_LIBPQ_COPIES_H_

#include <atomic>
#include <cstdint>

#include "shim/ledger/layout.h"
#include "shim/libpq/copy.h"

namespace pqleash::libpq {

inline constexpr uint32_t kMaxCopies = 16;

namespace internal {
extern std::atomic<uint32_t> copies_used;
extern Copy copies[kMaxCopies];
}  // namespace internal

// The copy whose code holds `address`, of those found so far. A few compares: fit for every call.
inline const Copy* Containing(const void* address) {
  const uint32_t used = internal::copies_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < used; ++i) {
    if (internal::copies[i].Contains(address)) return &internal::copies[i];
  }
  return nullptr;
}

// What serves a call, and by what way the call has reached us.
struct Service {
  const Copy* copy;  // nullptr: none
  uint32_t way;      // ledger::LibpqWays
};

// The copy that a call from `caller` (a return address) would reach without us, in this order:
//   1. the next definition in the global scope (RTLD_NEXT), which is what the host's own binding
//   prefers;
//   2. the caller's object and what it needs: psycopg2, DBD::Pg and psqlODBC are loaded with
//   RTLD_LOCAL, and RTLD_NEXT
//      finds nothing for them; for an object that asked for RTLD_DEEPBIND this comes first;
//   3. any loaded object that is called libpq*.
// No copy: there is none, or more than kMaxCopies.
Service ForCaller(const void* caller) noexcept;

// The copy that defines the function at `definition`, any of libpq's; nullptr: as above.
const Copy* ForDefinition(void* definition) noexcept;

// Position of `copy` in the order of discovery, 0 to kMaxCopies - 1.
uint32_t Number(const Copy* copy);
const Copy* ByNumber(uint32_t number);

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_COPIES_H_
