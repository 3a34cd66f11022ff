// SPDX-License-Identifier: Apache-2.0
//
// Where a connect meets the caps. Called by the tracker, never while libpq runs.

#ifndef PQLEASH_SHIM_TRACKER_ADMISSION_H_
#define PQLEASH_SHIM_TRACKER_ADMISSION_H_

#include "shim/libpq/attempt.h"
#include "shim/tracker/tracker.h"

namespace pqleash::tracker {

// What the caps say of a connect that begins; `call` has a slot, in state connecting or resetting.
// A blocking connect waits in here: signals are handled, and the thread can be cancelled. For kPark
// the slot is parked (Process::parking); for kRefuse its text is set (Process::held_back).
//
// The definitions of the two are weak: tests put others in their place.
Admission Admit(const ConnectCall& call, const libpq::Attempt& attempt,
                libpq::Destination& destination) noexcept;

// Sets the text for a parked connect whose time is over.
void ExplainRefusal(Process& process, uint32_t slot) noexcept;

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_ADMISSION_H_
