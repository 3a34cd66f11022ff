// SPDX-License-Identifier: Apache-2.0
//
// Tells whether a process is still alive, and whether it is still the same process. Thread-safe. No
// descriptor stays open after a call. May change errno.

#ifndef PQLEASH_SHIM_SUPPORT_LIVENESS_H_
#define PQLEASH_SHIM_SUPPORT_LIVENESS_H_

#include <sys/types.h>

#include <cstdint>

namespace pqleash {

// Distinguishes a process from a later one with the same pid, and a program from the next one that
// the process executes (proc(5), /proc/pid/stat). 0 means not known, and equals every value.
struct ProcessMarks {
  uint64_t start_ticks;  // field 22
  uint64_t stack_start;  // field 28; 0 if the reader may not trace the process
};

// Whether a thread of the process is running. A zombie, whose threads have all ended, counts as
// ended even before its parent has waited for it, because it has no connections. If the kernel has
// no pidfd_open(2) (before 5.3) or a filter forbids it, a zombie counts as running until its parent
// has waited for it.
bool Running(pid_t pid) noexcept;

// Returns the marks of a process, or zeros if /proc does not tell them.
ProcessMarks ReadMarks(pid_t pid) noexcept;

// Whether both marks may be those of one process.
bool SameProcess(const ProcessMarks& a, const ProcessMarks& b);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_LIVENESS_H_
