// SPDX-License-Identifier: Apache-2.0
//
// What parked connects need to know of the caps, and nothing more: whether one may go, and a way to
// sleep until that may have changed. The thread that serves parked connects is tested with a fake.

#ifndef PQLEASH_SHIM_CAPS_CLERK_H_
#define PQLEASH_SHIM_CAPS_CLERK_H_

#include <cstdint>

#include "shim/support/futex.h"

namespace pqleash::caps {

enum class Parked : uint32_t {
  kWaiting,
  kGranted,
  kRefused,  // its time is over; it is out of the queue
};

// Thread-safe.
class Clerk {
 public:
  // Where the connect of ledger slot `slot` stands at `now` (CLOCK_MONOTONIC, ns). `look_again` is
  // lowered to the moment at which to ask again even without having been woken. Once it has said
  // kGranted or kRefused it goes on saying so.
  virtual Parked Look(uint32_t slot, uint64_t now, uint64_t* look_again) = 0;

  // A number that changes whenever an answer may have changed.
  virtual uint32_t Changes() = 0;
  // Sleeps until Changes() is no longer `seen`, or until the moment `until` of `clock`. May return
  // early.
  virtual void Sleep(uint32_t seen, uint64_t until, WaitClock& clock) = 0;
  // Ends a Sleep, now or the next.
  virtual void Nudge() = 0;

 protected:
  ~Clerk() = default;
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_CLERK_H_
