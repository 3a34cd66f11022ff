// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/close_event.h"

#include <libpq-events.h>

#include "shim/stack/script/interpreters.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"
#include "shim/tracker/process.h"

namespace pqleash::tracker {

namespace {

int OnEvent(PGEventId id, void* information, void*) {
  if (id != PGEVT_CONNDESTROY) return 1;
  const ErrnoKeeper errno_keeper;
  Process* process = Process::Current();
  if (process == nullptr) return 1;
  // Our own wrapper of PQfinish has taken it out of the table before.
  const uint32_t slot =
      process->connections.Remove(static_cast<PGEventConnDestroy*>(information)->conn);
  if (slot != kNoSlot) {
    if (process->held_back.GuiseOf(slot) == Guise::kParked) process->parking.Unpark(slot);
    process->held_back.Release(slot);
    process->lifecycle.ClosedBy(slot, stack::WhoCloses(), Now());
    ledger::Count(process->ledger.header().bypassed_closes);
  }
  return 1;
}

}  // namespace

void WatchClose(const libpq::Copy& copy, PGconn* conn) {
  if (copy.register_event_proc != nullptr)
    copy.register_event_proc(conn, OnEvent, "pqleash", nullptr);
}

}  // namespace pqleash::tracker
