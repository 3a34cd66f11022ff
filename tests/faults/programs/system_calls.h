// SPDX-License-Identifier: Apache-2.0
//
// System calls that fail on order, by seccomp(2): a filter in plain BPF.

#ifndef PQLEASH_TESTS_FAULTS_PROGRAMS_SYSTEM_CALLS_H_
#define PQLEASH_TESTS_FAULTS_PROGRAMS_SYSTEM_CALLS_H_

#include <span>

namespace faults {

// From now on these calls of this thread, and of what it starts, do nothing and fail with `error`.
// False: the kernel does not let us.
bool Deny(std::span<const int> numbers, int error);

}  // namespace faults

#endif  // PQLEASH_TESTS_FAULTS_PROGRAMS_SYSTEM_CALLS_H_
