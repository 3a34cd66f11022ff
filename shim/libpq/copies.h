// SPDX-License-Identifier: Apache-2.0
//
// The copies of libpq in this process. A copy is found when it is first needed, and kept for good.
// Copies survive a fork.
//
// A copy is an object that has every function of libpq that the tracker needs. An object with
// fewer, such as a test double of the five functions that a program calls, is not a copy. A call
// that reaches such an object is passed to the very function that it would have reached without
// pqleash, and the object is asked nothing.
//
// All functions are thread-safe. They hold no lock of ours while the dynamic linker works. Two
// threads that find the same copy at the same time enter it twice, which does no harm.

#ifndef PQLEASH_SHIM_LIBPQ_COPIES_H_
#define PQLEASH_SHIM_LIBPQ_COPIES_H_

#include <atomic>
#include <cstdint>

#include "shim/ledger/layout.h"
#include "shim/libpq/copy.h"

namespace pqleash::libpq {

// Copies that can be tracked in one process. Further ones are passed through.
inline constexpr uint32_t kMaxCopies = 16;

namespace internal {
extern std::atomic<uint32_t> copies_used;
extern Copy copies[kMaxCopies];
}  // namespace internal

// Whether a copy that is not pinned is still loaded. Asks the dynamic linker whether it has removed
// an object since the last check, which takes one lock of the linker and some 30 ns. A copy that
// has been unloaded is never usable again.
bool StillLoaded(const Copy& copy) noexcept;
inline bool Usable(const Copy& copy) { return copy.pinned || StillLoaded(copy); }

// Returns the copy whose code contains `address`, among those found so far, or nullptr. Costs a few
// compares, so that every call can afford it.
inline const Copy* Containing(const void* address) {
  const uint32_t used = internal::copies_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < used; ++i) {
    const Copy& copy = internal::copies[i];
    if (copy.Contains(address) && Usable(copy)) return &copy;
  }
  return nullptr;
}

// The copy that serves a call, and the way by which the call came to pqleash.
struct Service {
  const Copy* copy;  // nullptr if no copy can be tracked; see NextDefinition
  uint32_t way;      // ledger::LibpqWays
};

// Returns the copy that a call of `function` from the return address `caller` would reach without
// pqleash. These definitions are tried in order:
//  1. The next definition in the global scope (RTLD_NEXT), which the host's own binding prefers.
//  2. A definition in the caller's object or in its needed libraries. psycopg2, DBD::Pg and
//     psqlODBC are loaded with RTLD_LOCAL, and RTLD_NEXT finds nothing for them. For an object that
//     asked for RTLD_DEEPBIND this comes first.
//  3. A definition in any loaded object, preferably one called libpq*. This is for a driver that
//     ends in a tail call, which leaves no return address in the driver.
//
// There is no copy if the object with the definition is none, or if there are more than kMaxCopies.
Service ForCaller(Function function, const void* caller) noexcept;

// Returns the definition of `function` that such a call would reach, or nullptr if no object
// defines it. For calls that no copy serves, and for all calls with PQLEASH_DISABLE. Keeps no
// object loaded.
void* NextDefinition(Function function, const void* caller) noexcept;

// Returns the copy that defines the libpq function at `definition`, or nullptr as above.
const Copy* ForDefinition(void* definition) noexcept;

// Returns the position of `copy` in the order of discovery, 0 to kMaxCopies - 1.
uint32_t Number(const Copy* copy);
const Copy* ByNumber(uint32_t number);
// Returns the copy that made a connection, by its number, or nullptr also if it has been unloaded.
inline const Copy* Serving(uint32_t number) {
  const Copy* copy = ByNumber(number);
  return copy != nullptr && Usable(*copy) ? copy : nullptr;
}

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_COPIES_H_
