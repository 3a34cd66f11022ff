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
#include "shim/libpq/attempt.h"
#include "shim/libpq/copy.h"
#include "shim/stack/script/interpreters.h"
#include "shim/tracker/connections.h"
#include "shim/tracker/held_back.h"
#include "shim/tracker/tag.h"

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
  const libpq::Copy* copy;   // that serves it; nullptr: the next definition does (copies.h)
  const libpq::Copy* outer;  // that this thread was in before
  Process* process;          // nullptr: only pass through
  uint32_t slot;             // kNoSlot: not recorded
  uint32_t way;              // ledger::LibpqWays; of opens alone

  void* Real(Function function) const { return copy != nullptr ? copy->Real(function) : nullptr; }
};

// What caps have to say of a connect.
struct Admission {
  enum Verdict : uint32_t {
    kProceed,
    kRefuse,  // `held_back` of the process has the text for the slot
    kPark,    // `parking` of the process has the slot; see CanPark
  };
  Verdict verdict;
  uint32_t timeout_s;  // of kProceed: the connect_timeout that is left for a blocking open; 0: as
                       // the host gave it
};

// A call that connects, or goes on connecting.
struct ConnectCall : Call {
  // What the wrapper does.
  enum Step : uint32_t {
    kReal,      // calls the real function
    kInstead,   // asks OpenInstead for the connection
    kAnswered,  // calls nothing; of a poll, `answer` is the result
  };
  Step step;
  PostgresPollingStatusType answer;
  Admission admission;
  uint32_t target;                                 // of a connect that is held back: in the ledger
  char application_name[kMaxApplicationName + 1];  // to connect with; empty: its own

  explicit ConnectCall(const Call& call)
      : Call(call), step(kReal), answer(PGRES_POLLING_FAILED), admission{}, target(0) {
    application_name[0] = '\0';
  }
};

ConnectCall BeginOpen(const libpq::Attempt& attempt, const Caller& caller) noexcept;
// The connection of a call whose step is kInstead. False: call the real function after all.
bool OpenInstead(const ConnectCall& call, const libpq::Attempt& attempt, PGconn** conn) noexcept;
void EndOpen(const ConnectCall& call, PGconn* conn) noexcept;

ConnectCall BeginPoll(Function function, PGconn* conn, const Caller& caller) noexcept;
void EndPoll(const ConnectCall& call, PGconn* conn, PostgresPollingStatusType result) noexcept;

// For PQreset, and for PQresetStart, which EndResetStart ends.
ConnectCall BeginReset(Function function, PGconn* conn, const Caller& caller) noexcept;
void EndReset(const ConnectCall& call, PGconn* conn) noexcept;
void EndResetStart(const ConnectCall& call, PGconn* conn, int started) noexcept;

// Whether the connect can be parked: it is asynchronous, and its libpq lets itself be stopped.
bool CanPark(const Call& call, const libpq::Attempt& attempt) noexcept;

// Of a close it is known before the real one who is at work.
struct CloseCall : Call {
  stack::Closer closer;
};
CloseCall BeginClose(Function function, PGconn* conn, const Caller& caller) noexcept;
void EndClose(const CloseCall& call) noexcept;

// The path of a query: no lock, no allocation, no system call.
Call BeginWork(Function function, bool command, PGconn* conn, const Caller& caller) noexcept;
void EndWork(const Call& call, PGconn* conn) noexcept;

// Where a field of `conn` is read.
struct Reading {
  const libpq::Copy* copy;  // the copy to ask; nullptr: the next definition is (copies.h)
  HeldBackSlot* held_back;  // this answers in its place; nullptr: libpq does
};
// Called by the host for each PQstatus: a look-up, and no trace of it.
Reading ReadState(Function function, const PGconn* conn, const Caller& caller) noexcept;
// The second half of it; nullptr also for a connection that is not known.
HeldBackSlot* HeldBackAs(const PGconn* conn) noexcept;

// Probes and cancels: passed through.
Call BeginExempt(Function function, const void* object, const Caller& caller) noexcept;
void EndExempt(const Call& call) noexcept;

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_TRACKER_H_
