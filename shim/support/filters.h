// SPDX-License-Identifier: Apache-2.0
//
// Filters of system calls (seccomp(2)) around the calling thread. A filter may kill for any call,
// also for those that are made here: the caller knows that the program makes them itself.

#ifndef PQLEASH_SHIM_SUPPORT_FILTERS_H_
#define PQLEASH_SHIM_SUPPORT_FILTERS_H_

#include <cstdint>

namespace pqleash {

// As /proc/PID/status has it (proc_pid_status(5)).
struct Filters {
  bool known;     // the status could be read
  int32_t mode;   // 0: there is none, or the kernel has none
  int32_t count;  // 0 before Linux 5.9
};

Filters FiltersIn(const char* status);

// Of the calling thread: openat, read and close of /proc/thread-self/status, as raw system calls.
Filters FiltersOfThread();

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_FILTERS_H_
