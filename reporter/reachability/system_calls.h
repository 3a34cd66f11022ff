// SPDX-License-Identifier: Apache-2.0
//
// What a thread of another process is doing, by /proc/PID/task/TID/syscall, which is read without
// touching the thread; and whether it can be stopped for a moment without noticing. Pure.

#ifndef PQLEASH_REPORTER_REACHABILITY_SYSTEM_CALLS_H_
#define PQLEASH_REPORTER_REACHABILITY_SYSTEM_CALLS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace pqleash::reporter {

struct Activity {
  enum class Kind {
    kUnknown,  // could not be read
    kRunning,
    kOutside,  // waits, but not in a system call: for a page
    kInCall,   // waits in a system call
  };
  Kind kind = Kind::kUnknown;
  int64_t call = -1;                       // number of the system call, of kInCall
  std::array<uint64_t, 6> arguments = {};  // of kInCall
  uint64_t stack_pointer = 0;              // 0: not known
};

// Of the content of that file.
Activity ParseActivity(std::string_view text);

// Whether the thread can be stopped and let go without the program seeing it. Most system calls
// that wait go on afterwards; some end with EINTR, or with less than was asked for, even though
// there was no signal (signal(7), 'Interruption of system calls and library functions by stop
// signals'). Whatever is not known to go on is taken for one of these.
bool StopsUnnoticed(const Activity& activity);

// Whether it is a wait that ends with EINTR after a stop, has no time-out, and takes nothing in
// before it returns: begun anew (registers.h), it is the same wait.
bool WaitsForGood(const Activity& activity);

// 'epoll_wait', or 'system call 17'.
std::string NameOfCall(int64_t number);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_SYSTEM_CALLS_H_
