// SPDX-License-Identifier: Apache-2.0
//
// A lock in memory that processes share. It consists of one word that identifies its holder.
//
// A robust mutex of glibc would keep pointers in that memory (nptl/pthread_mutex_lock.c,
// __data.__list). A process that can write the memory could turn them into a store to any address
// in the process that unlocks it.
//
// Whatever the word contains, no thread waits longer than its patience, and no thread stores
// anything but the word. A holder that has ended is noticed: by pidfd_open(2) for the process, by
// tgkill(2) with signal 0 for the thread, and by the start time for a pid that is used again.
//
// All functions are thread-safe and work between processes. No heap, no exceptions.

#ifndef PQLEASH_SHIM_CAPS_OWNER_LOCK_H_
#define PQLEASH_SHIM_CAPS_OWNER_LOCK_H_

#include <sys/types.h>

#include <cstdint>

namespace pqleash::caps {

// Identifies who holds a lock. Never 0, which means that nobody does.
//
//   bits  0 to 21  the thread; pids and tids are below 2^22 (proc(5), pid_max)
//   bit  30        the thread part is no tid: see UseFewCalls
//   bit  31        a thread sleeps until the lock is free; not part of the owner
//   bits 32 to 53  the process
//   bits 54 to 63  the lowest bits of its start time (proc(5), field 22); 0: not known
using LockOwner = uint64_t;

// Returns the owner value of a process, for ThisThread. `start_ticks` is its start time; 0: not
// known.
LockOwner ProcessOwner(pid_t process, uint64_t start_ticks) noexcept;

// Returns the pid in an owner value.
constexpr pid_t ProcessOf(LockOwner owner) {
  return static_cast<pid_t>(owner >> 32 & ((1u << 22) - 1));
}

// Returns the owner value of the calling thread. The start time is taken from `process`, a
// ProcessOwner, if the caller belongs to that process; a forked child does not. Makes two system
// calls.
LockOwner ThisThread(LockOwner process) noexcept;

// From now on this file makes no system call but futex(2), because a filter may kill the process
// for others. Threads are then told apart by an address that libc keeps for each, and no holder is
// checked for life; processes without a filter do that. `process` is a ProcessOwner. Forked
// children must not use locks afterwards.
void UseFewCalls(LockOwner process) noexcept;

enum class Taken : uint32_t {
  kFree,      // the lock was free
  kFromDead,  // the holder had died, so the guarded data may be half changed
  kBusy,      // the lock was not taken
};

// Takes the lock in `word` for `owner`. Waits for at most `patience_ns` nanoseconds; 0: does not
// wait. Returns kBusy at once if the calling thread holds the lock already, which happens in a
// signal handler and after a siglongjmp(3). Keeps errno.
Taken TakeLock(uint64_t* word, LockOwner owner, uint64_t patience_ns) noexcept;

// Releases the lock. Does nothing if another owner has it by now.
void ReleaseLock(uint64_t* word, LockOwner owner) noexcept;

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_OWNER_LOCK_H_
