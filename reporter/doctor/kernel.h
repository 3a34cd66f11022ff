// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_DOCTOR_KERNEL_H_
#define PQLEASH_REPORTER_DOCTOR_KERNEL_H_

#include <optional>
#include <string>
#include <vector>

#include "reporter/doctor/check.h"

namespace pqleash::reporter {

// What the kernel can do, found out by trying, and what it lets this user do.
struct Kernel {
  bool populate_write = false;      // MADV_POPULATE_WRITE
  bool wipe_on_fork = false;        // MADV_WIPEONFORK
  std::optional<int> ptrace_scope;  // of Yama; no value: Yama is not there
  bool may_trace_all = false;       // CAP_SYS_PTRACE
};

Kernel LookAtKernel(const std::string& proc = "/proc");

// Whether CAP_SYS_PTRACE is among the effective capabilities in the content of /proc/PID/status.
bool HasTraceCapability(const std::string& status);

// Pure.
std::vector<Check> Judge(const Kernel& kernel);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_DOCTOR_KERNEL_H_
