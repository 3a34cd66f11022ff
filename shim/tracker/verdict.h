// SPDX-License-Identifier: Apache-2.0
//
// How the verdict of the caps on a connect is carried out: steps of the tracker's.

#ifndef PQLEASH_SHIM_TRACKER_VERDICT_H_
#define PQLEASH_SHIM_TRACKER_VERDICT_H_

#include <libpq-fe.h>

#include "shim/ledger/layout.h"
#include "shim/libpq/attempt.h"
#include "shim/tracker/process.h"
#include "shim/tracker/tracker.h"

namespace pqleash::tracker {

// Asks the caps, and chooses how their verdict is carried out. `call` has a slot.
void AskCaps(ConnectCall& call, const libpq::Attempt& attempt);

// The connect goes on as if nobody had been asked. One that was parked counts all the same.
void Proceed(ConnectCall& call);

// After the real call: whether the connection is held back now. If not, libpq's own answer counts.
bool HeldBackNow(ConnectCall& call, PGconn* conn, ledger::ConnectionState resumes_as);

// The host polls a connection that may be held back.
void PollHeldBack(ConnectCall& call, PGconn* conn);

// The PGconn is finished or used anew.
void EndHoldingBack(Process& process, uint32_t slot);

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_VERDICT_H_
