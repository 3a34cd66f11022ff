// SPDX-License-Identifier: Apache-2.0
//
// The copies of libpq in this process: found when first needed, kept for good. Survives fork.
//
// A copy is an object that has all of libpq in it, as far as the tracker needs it. What has less,
// a test's double of the five functions that it calls, say, is none: a call that reaches one is
// passed on to the very function that it would have reached without us, and nothing is asked of it.
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

// Whether a copy that is not pinned is still there, as it was found. Asks the dynamic linker
// whether it has removed an object since: one lock of its, some 30 ns. A copy that has gone stays
// gone.
bool StillLoaded(const Copy& copy) noexcept;
inline bool Usable(const Copy& copy) { return copy.pinned || StillLoaded(copy); }

// The copy whose code holds `address`, of those found so far. A few compares: fit for every call.
inline const Copy* Containing(const void* address) {
  const uint32_t used = internal::copies_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < used; ++i) {
    const Copy& copy = internal::copies[i];
    if (copy.Contains(address) && Usable(copy)) return &copy;
  }
  return nullptr;
}

// What serves a call, and by what way the call has reached us.
struct Service {
  const Copy* copy;  // nullptr: none that can be tracked; see NextDefinition
  uint32_t way;      // ledger::LibpqWays
};

// The copy that a call of `function` from `caller` (a return address) would reach without us, in
// this order:
//   1. the next definition in the global scope (RTLD_NEXT), which is what the host's own binding
//   prefers;
//   2. the caller's object and what it needs: psycopg2, DBD::Pg and psqlODBC are loaded with
//   RTLD_LOCAL, and RTLD_NEXT
//      finds nothing for them; for an object that asked for RTLD_DEEPBIND this comes first;
//   3. any loaded object that defines it, one that is called libpq* before all others: a return
//   address lies where a driver ends in a tail call.
// No copy: what defines it is none, or there are more than kMaxCopies.
Service ForCaller(Function function, const void* caller) noexcept;

// The definition of `function` that such a call would reach; nullptr: nothing defines it. For calls
// that no copy serves, and with PQLEASH_DISABLE for all. Keeps nothing loaded.
void* NextDefinition(Function function, const void* caller) noexcept;

// The copy that defines the function at `definition`, any of libpq's; nullptr: as above.
const Copy* ForDefinition(void* definition) noexcept;

// Position of `copy` in the order of discovery, 0 to kMaxCopies - 1.
uint32_t Number(const Copy* copy);
const Copy* ByNumber(uint32_t number);
// The same for a connection that it made; nullptr also for one that has been unloaded.
inline const Copy* Serving(uint32_t number) {
  const Copy* copy = ByNumber(number);
  return copy != nullptr && Usable(*copy) ? copy : nullptr;
}

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_COPIES_H_
