// SPDX-License-Identifier: Apache-2.0
//
// The threads of another process, as /proc shows them, without touching them.

#ifndef PQLEASH_REPORTER_REACHABILITY_THREADS_H_
#define PQLEASH_REPORTER_REACHABILITY_THREADS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/reachability/system_calls.h"

namespace pqleash::reporter {

// Bytes below the stack pointer that a function may use all the same (x86-64's ABI).
inline constexpr uint64_t kRedZone = 128;

struct Thread {
  int32_t tid = 0;
  std::string name;
  uint64_t stack_pointer = 0;  // 0: not known: it is running
  Activity activity;
};

Thread ReadThread(int32_t pid, int32_t tid, const std::string& proc = "/proc");

// A thread that ended meanwhile is left out.
std::vector<Thread> ListThreads(int32_t pid, const std::string& proc = "/proc");

// Why this user may not look into the process, in words: another user, a setting of the kernel.
std::string WhyRefused(int32_t pid, int error, const std::string& proc = "/proc");

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_THREADS_H_
