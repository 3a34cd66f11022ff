// SPDX-License-Identifier: Apache-2.0
//
// The threads of another process: where their stacks are, and what their registers hold.

#ifndef PQLEASH_REPORTER_REACHABILITY_THREADS_H_
#define PQLEASH_REPORTER_REACHABILITY_THREADS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/reachability/memory_map.h"

namespace pqleash::reporter {

// Bytes below the stack pointer that a function may use all the same (x86-64's ABI).
inline constexpr uint64_t kRedZone = 128;

struct Thread {
  int32_t tid = 0;
  std::string name;
  uint64_t stack_pointer = 0;   // 0: not known: it is running
  uint64_t thread_pointer = 0;  // 0: not known; else what follows its TLS (fs base)
};

// Threads as /proc shows them. A thread that ended meanwhile is left out.
std::vector<Thread> ListThreads(int32_t pid, const std::string& proc = "/proc");

// The stack pointer in the content of /proc/PID/task/TID/syscall; no value: the thread is running,
// or the text is something else. Pure.
std::optional<uint64_t> StackPointerIn(std::string_view syscall);

// A thread at a moment at which all threads of its process stood still.
struct StoppedThread {
  Thread thread;
  std::vector<uint8_t> registers;  // general ones, then those of the floating-point unit
};

// Stops all threads, calls `look` with them, and lets them go on: some tens of microseconds a
// thread, plus what `look` takes. A system call that waits may end with EINTR, as after strace has
// looked at it. The result is empty, or says in one clause why it could not be done; threads that
// had been stopped go on in any case.
std::string WithThreadsStopped(int32_t pid,
                               const std::function<void(const std::vector<StoppedThread>&)>& look);

// Why this user may not look into the process, in words: another user, a setting of the kernel.
std::string WhyRefused(int32_t pid, int error, const std::string& proc = "/proc");

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_THREADS_H_
