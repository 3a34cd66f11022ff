// SPDX-License-Identifier: Apache-2.0
//
// A thread of another process that is stopped, made to call functions, and put back to where it
// was.
//
// Killed at any moment, the tool leaves a thread that runs on. What a called function returns to is
// not a trap but libc's own return from a signal handler (__restore_rt), above a frame as the
// kernel leaves it for a handler: registers, extended state and signal mask of the moment before.
// With the tool alive it never gets there: the thread is stopped at the entry of that system call,
// and the call is not made. Without it the kernel puts the thread back, and a system call that was
// cut short is begun anew.

#ifndef PQLEASH_REPORTER_ATTACH_HELD_THREAD_H_
#define PQLEASH_REPORTER_ATTACH_HELD_THREAD_H_

#include <sys/types.h>
#include <sys/user.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "reporter/attach/remote_memory.h"

namespace pqleash::reporter {

// For x86-64 alone. Not thread-safe: ptrace is the calling thread's.
class HeldThread {
 public:
  enum class State {
    kHeld,      // it stands still
    kTryAgain,  // it was let go, or has ended: another thread, or another time
    kStopped,   // the whole process is stopped (SIGSTOP)
    kRefused,   // the kernel refuses: errno in error()
    kStuck,     // it does not come: it waits for a disk, or is frozen
  };

  // Stops the thread.
  HeldThread(const RemoteMemory& memory, int32_t tid);
  // Lets it go, if it is held: from where it was, as if nothing had been.
  ~HeldThread();
  HeldThread(const HeldThread&) = delete;
  HeldThread& operator=(const HeldThread&) = delete;

  State state() const { return state_; }
  int error() const { return error_; }
  int32_t tid() const { return tid_; }
  // When it was stopped.
  std::chrono::steady_clock::time_point since() const { return since_; }
  // As it was stopped.
  const user_regs_struct& registers() const { return before_; }
  // It was stopped in a system call that is begun anew, or goes on, when it is let go.
  bool InRestartableCall() const;

  // What the calls return to, and where the thread's errno lies; before the first call.
  void UseRestorer(uint64_t address) { restorer_ = address; }
  void KeepErrno(uint64_t address);

  // Calls the function at `function` with whole numbers, on the stack that ends at `stack_top`; 0:
  // on the thread's own, below what it uses: for functions that take little. The other threads run
  // meanwhile. Returns what its last system call has returned, which is the function's own result
  // where it is little more than that call. No value: it did not return in time, or failed; why()
  // says which, and the thread finds its way back by itself.
  std::optional<uint64_t> Call(uint64_t function, std::initializer_list<uint64_t> arguments,
                               uint64_t stack_top, std::chrono::milliseconds patience);
  const std::string& why() const { return why_; }

  // Of the whole frame that Call builds, in bytes.
  uint64_t FrameSize() const;

 private:
  void LetGo();
  bool WaitForStop(std::chrono::steady_clock::time_point limit, int* status);
  bool AtReturn(const user_regs_struct& registers) const;
  bool BuildFrame(uint64_t top, uint64_t* frame) const;
  user_regs_struct Anew() const;
  bool Get(long set, std::vector<uint8_t>* bytes) const;
  bool GetRegisters(user_regs_struct* registers) const;
  bool SetRegisters(const user_regs_struct& registers) const;
  std::nullopt_t Abandon(std::string why);

  const RemoteMemory& memory_;
  const int32_t tid_;
  State state_ = State::kTryAgain;
  int error_ = 0;
  std::chrono::steady_clock::time_point since_;
  user_regs_struct before_ = {};
  std::vector<uint8_t> extended_;
  uint64_t mask_ = 0;
  uint64_t restorer_ = 0;
  uint64_t errno_address_ = 0;
  int32_t errno_ = 0;
  uint64_t frame_ = 0;  // of the call that has returned; 0: none was made
  uint64_t last_result_ = 0;
  std::string why_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_HELD_THREAD_H_
