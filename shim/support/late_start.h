// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_LATE_START_H_
#define PQLEASH_SHIM_SUPPORT_LATE_START_H_

namespace pqleash {

// Runs the constructors of the libstdc++ inside this library, which register exit handlers, and
// take memory for exceptions that are thrown when there is none: of this library's own, since a
// host's heap may be exhausted or counted. Once, by one thread, before anything of the library that
// throws or uses the heap; in a fork's child they have run.
void RunLateStart() noexcept;

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_LATE_START_H_
