// SPDX-License-Identifier: Apache-2.0
//
// Connections that a process has from the one that forked it. They belong to the opener: what the
// child sends goes into the opener's session, and a PQfinish in the child ends it. The opener's
// ledger is not the child's to write into, so the child notes in its own that it has touched such a
// connection, with both stacks.

#ifndef PQLEASH_SHIM_TRACKER_INHERITANCE_H_
#define PQLEASH_SHIM_TRACKER_INHERITANCE_H_

#include <libpq-fe.h>

#include <cstdint>

#include "shim/libpq/copy.h"
#include "shim/tracker/process.h"

namespace pqleash::tracker {

// Slot of `conn` in the state that was inherited; kNoSlot: the opener did not have it either.
uint32_t FindInherited(const PGconn* conn);
// The copy of libpq that serves it; nullptr: it has been unloaded.
const libpq::Copy* InheritedCopy(uint32_t slot);

// The first use of an inherited connection in this process.
struct Touch {
  uint32_t call_site;
  ledger::StringRef function;
  int32_t tid;
  const char* thread_name;  // 16 bytes
};

// Enters the inherited connection in slot `inherited` of the opener into `process`; kNoSlot: no
// room. Afterwards FindInherited does not find it any more.
uint32_t Inherit(Process& process, uint32_t inherited, const PGconn* conn, const Touch& touch);

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_INHERITANCE_H_
