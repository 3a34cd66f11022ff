// SPDX-License-Identifier: Apache-2.0
//
// What the code for parked connects needs to know of the caps: whether a connect may go, and a way
// to sleep until that may have changed. The interface is this small so that tests of the serving
// thread can use a fake.

#ifndef PQLEASH_SHIM_CAPS_CLERK_H_
#define PQLEASH_SHIM_CAPS_CLERK_H_

#include <cstdint>

#include "shim/support/futex.h"

namespace pqleash::caps {

enum class Parked : uint32_t {
  kWaiting,
  kGranted,
  kRefused,  // its time is over, and it is out of the queue
};

// All functions are thread-safe. Times are CLOCK_MONOTONIC in nanoseconds.
class Clerk {
 public:
  // Returns the state of the connect of ledger slot `slot` at `now`. Lowers `look_again` to the
  // time at which the caller must ask again even if it was not woken. Once the answer is kGranted
  // or kRefused, it stays the same.
  virtual Parked Look(uint32_t slot, uint64_t now, uint64_t* look_again) = 0;

  // Returns a number that changes whenever an answer may have changed.
  virtual uint32_t Changes() = 0;
  // Sleeps until Changes() differs from `seen`, or until `clock` says `until`. May return early.
  virtual void Sleep(uint32_t seen, uint64_t until, WaitClock& clock) = 0;
  // Ends a Sleep that is under way, or the next one.
  virtual void Nudge() = 0;

 protected:
  ~Clerk() = default;
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_CLERK_H_
