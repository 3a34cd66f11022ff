// SPDX-License-Identifier: Apache-2.0
//
// The place of last use: the stack of the command that takes a connection up after a rest, or by
// another thread than before. A pool opens all its connections on one line; who has not given one
// back is seen here alone.
//
// On the path of a query, for some of them: no allocation, no lock of an interpreter or of the
// linker, and a bounded number a second. A stack that was seen before needs no lock at all; a new
// one is interned as a connect's is.

#ifndef PQLEASH_SHIM_TRACKER_USE_STACKS_H_
#define PQLEASH_SHIM_TRACKER_USE_STACKS_H_

#include <atomic>
#include <cstdint>

#include "shim/ledger/layout.h"
#include "shim/support/ticks.h"
#include "shim/tracker/connections.h"

namespace pqleash::tracker {

class Process;

// So many a second. All zero bytes: none. Thread-safe; at the turn of a second a thread more than
// there is room for may come through.
class Budget {
 public:
  void Use(uint32_t a_second) { a_second_ = a_second; }
  bool empty() const { return a_second_ == 0; }
  // Whether there is one left at `now`, in nanoseconds of whatever clock; takes it.
  bool Spend(uint64_t now);

 private:
  uint32_t a_second_;            // at most 65,535
  std::atomic<uint64_t> spent_;  // the second, then in the lower 16 bits how many in it
};

// All zero bytes: off. Thread-safe.
class UseStacks {
 public:
  // At most so many stacks a second; 0: none.
  void Use(uint32_t a_second) { budget_.Use(a_second); }

  // Whether the use that begins on this thread takes the connection up: after a rest of about a
  // millisecond or more, or by another thread than the use before. `record` is still as that one
  // left it. In line: on the path of every query.
  bool TakesUp(const Connection& connection, const ledger::ConnectionSlot& record) const {
    if (budget_.empty()) return false;
    // With no use before, `idle_ticks` is 0, and the rest is long.
    return Ticks() - connection.idle_ticks > 2 * HalfMillisecondOfTicks() ||
           record.last_thread != reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
  }

  // Notes the place of such a use, whose libpq function returns to `caller`, or that it is not
  // known. `now`: CLOCK_MONOTONIC_COARSE.
  void Note(Process& process, uint32_t slot, const void* caller, uint64_t now) noexcept;

 private:
  Budget budget_;
};

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_USE_STACKS_H_
