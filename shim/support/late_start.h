// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_LATE_START_H_
#define PQLEASH_SHIM_SUPPORT_LATE_START_H_

namespace pqleash {

// Runs the constructors of the libstdc++ inside this library. They register exit handlers, and
// reserve memory for exceptions that are thrown when the heap is exhausted. The memory is the
// library's own, because a host's heap may be exhausted or counted.
//
// Call it before anything in the library throws or uses the heap, by one thread at a time. Later
// calls do nothing; in a forked child the constructors have run already.
void RunLateStart() noexcept;

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_LATE_START_H_
