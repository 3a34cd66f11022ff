// SPDX-License-Identifier: Apache-2.0
//
// Whether a process is still there, and still the one that it was. No descriptor outlives a call.

#ifndef PQLEASH_SHIM_SUPPORT_LIVENESS_H_
#define PQLEASH_SHIM_SUPPORT_LIVENESS_H_

#include <sys/types.h>

#include <cstdint>

namespace pqleash {

// What tells a process from a later one of the same pid, and a program from the next one that the
// process executes (proc(5), /proc/pid/stat). 0: not known, which equals everything.
struct ProcessMarks {
  uint64_t start_ticks;  // field 22
  uint64_t stack_start;  // field 28; 0 where the reader may not trace the process
};

// False once all threads of the process have ended, whether or not its parent has waited for it: a
// zombie has no connections. Where the kernel has no pidfd_open(2) (before 5.3), or a filter
// forbids it, a zombie counts as running until it is waited for.
bool Running(pid_t pid) noexcept;

// Zeroes where /proc says nothing.
ProcessMarks ReadMarks(pid_t pid) noexcept;

bool SameProcess(const ProcessMarks& a, const ProcessMarks& b);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_LIVENESS_H_
