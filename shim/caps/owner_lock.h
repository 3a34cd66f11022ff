// SPDX-License-Identifier: Apache-2.0
//
// A lock in memory that processes share: one word that says who holds it, and nothing else. A
// robust mutex of glibc would keep pointers there (nptl/pthread_mutex_lock.c, __data.__list), which
// whoever can write the memory turns into a store anywhere in whoever unlocks it.
//
// Whatever stands in the word, nobody waits for longer than his patience, and nobody stores
// anything but the word itself. A holder that has ended is noticed: pidfd_open(2) for the process,
// tgkill(2) with signal 0 for the thread, the start time for another process of that number.

#ifndef PQLEASH_SHIM_CAPS_OWNER_LOCK_H_
#define PQLEASH_SHIM_CAPS_OWNER_LOCK_H_

#include <sys/types.h>

#include <cstdint>

namespace pqleash::caps {

// Who takes a lock, as the word has it: never 0, which is nobody.
//   bits  0 to 21  thread; pids and tids are below 2^22 (proc(5), pid_max)
//   bit  30        the thread is no tid: see UseFewCalls
//   bit  31        somebody sleeps until it is free: not of the owner
//   bits 32 to 53  process
//   bits 54 to 63  the lowest of its start time (proc(5), field 22); 0: not known
using LockOwner = uint64_t;

// A process and its start time (0: not known), for ThisThread.
LockOwner ProcessOwner(pid_t process, uint64_t start_ticks) noexcept;

// Which process an owner is of.
constexpr pid_t ProcessOf(LockOwner owner) {
  return static_cast<pid_t>(owner >> 32 & ((1u << 22) - 1));
}

// The calling thread. The start time is taken from `process`, a ProcessOwner, where the caller is
// of that process: a forked child is not. Two system calls.
LockOwner ThisThread(LockOwner process) noexcept;

// From now on no system call but futex(2) is made here, since a filter may kill for others: threads
// are told apart by what libc keeps for each, and nobody is asked whether he lives, which those
// without a filter do. `process` is a ProcessOwner. Children of a fork must not use locks.
void UseFewCalls(LockOwner process) noexcept;

enum class Taken : uint32_t {
  kFree,      // it was free
  kFromDead,  // its holder died: what the lock guards may be half done
  kBusy,      // not taken
};

// Takes the lock in `word` for `owner`. Waits up to `patience_ns`; 0: not at all. kBusy at once
// where the calling thread holds it already: below a signal handler, or left by siglongjmp(3).
// errno is kept.
Taken TakeLock(uint64_t* word, LockOwner owner, uint64_t patience_ns) noexcept;

// Does nothing where the word is another's by now.
void ReleaseLock(uint64_t* word, LockOwner owner) noexcept;

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_OWNER_LOCK_H_
