// SPDX-License-Identifier: Apache-2.0
//
// The steps around each call of libpq, in their order. The wrappers call Begin…, then the real
// function, then End…; the tracker knows when a connection is recorded, when its stack is taken and
// when its state changes. No lock is held between Begin and End, errno is what it was, and every
// failure of ours leaves a Call that only passes through.
//
// `caller` is the return address of the wrapper: it tells the host's calls from libpq's calls of
// itself.

#ifndef PQLEASH_SHIM_TRACKER_TRACKER_H_
#define PQLEASH_SHIM_TRACKER_TRACKER_H_

#include <libpq-fe.h>

#include "shim/interpose/function.h"
#include "shim/libpq/copy.h"
#include "shim/tracker/connections.h"

namespace pqleash::tracker {

class Process;

// Where a call comes from.
struct Caller {
  const void* address;       // return address of the wrapper
  const libpq::Copy* bound;  // the copy that the wrapper stands for (interpose/bound.h); nullptr:
                             // as the caller's object says
};

// A call on its way through libpq. Lives on the wrapper's stack.
struct Call {
  const libpq::Copy* copy;   // that serves it; nullptr: there is no libpq to call
  const libpq::Copy* outer;  // that this thread was in before
  Process* process;          // nullptr: only pass through
  uint32_t slot;             // kNoSlot: not recorded
  uint32_t way;              // ledger::LibpqWays; of opens alone

  void* Real(Function function) const { return copy != nullptr ? copy->Real(function) : nullptr; }
};

Call BeginOpen(const Caller& caller) noexcept;
void EndOpen(const Call& call, PGconn* conn) noexcept;

Call BeginPoll(Function function, PGconn* conn, const Caller& caller) noexcept;
void EndPoll(const Call& call, PGconn* conn, PostgresPollingStatusType result) noexcept;

// For PQreset, and for PQresetStart, which EndResetStart ends.
Call BeginReset(Function function, PGconn* conn, const Caller& caller) noexcept;
void EndReset(const Call& call, PGconn* conn) noexcept;
void EndResetStart(const Call& call, PGconn* conn, int started) noexcept;

Call BeginClose(Function function, PGconn* conn, const Caller& caller) noexcept;
void EndClose(const Call& call) noexcept;

// The path of a query: no lock, no allocation, no system call.
Call BeginWork(Function function, bool command, PGconn* conn, const Caller& caller) noexcept;
void EndWork(const Call& call, PGconn* conn) noexcept;

// Probes and cancels: passed through.
Call BeginExempt(const void* object, const Caller& caller) noexcept;
void EndExempt(const Call& call) noexcept;

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_TRACKER_H_
