// SPDX-License-Identifier: Apache-2.0
//
// What the registers of another process's threads hold: by ptrace, with the threads stopped for a
// moment.

#ifndef PQLEASH_REPORTER_REACHABILITY_REGISTERS_H_
#define PQLEASH_REPORTER_REACHABILITY_REGISTERS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "reporter/reachability/threads.h"

namespace pqleash::reporter {

// A thread at a moment at which all threads of its process that may be stopped stood still.
struct StoppedThread {
  Thread thread;
  std::vector<uint8_t> registers;  // general ones, then those of the floating-point unit
};

struct StopOutcome {
  std::string error;               // one clause: why nothing was looked at; empty: it was
  std::vector<Thread> left_alone;  // threads that would have noticed, and were not stopped
};

// Stops the threads, calls `look` with them, and lets them go on: some tens of microseconds a
// thread, plus what `look` takes, which is a second at most. Forks: a process that has other
// threads and waits for children should wait for each by its id.
//
// Threads in a system call that would not survive it (StopsUnnoticed) are left alone, unless
// `all_threads`: they then begin the call anew, and with it its time-out. That is also done with a
// thread that was running, and entered such a call in the instant before it was stopped.
//
// Threads that had been stopped go on in any case, also when this process is killed.
StopOutcome WithThreadsStopped(int32_t pid, bool all_threads,
                               const std::function<void(const std::vector<StoppedThread>&)>& look);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_REGISTERS_H_
