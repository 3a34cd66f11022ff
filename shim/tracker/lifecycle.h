// SPDX-License-Identifier: Apache-2.0
//
// The states of a connection (LEDGER.md, 'The states of a slot') and the counters that follow from
// them. Every change of state goes through here, so that slots and counters cannot disagree but for
// the operation in flight.

#ifndef PQLEASH_SHIM_TRACKER_LIFECYCLE_H_
#define PQLEASH_SHIM_TRACKER_LIFECYCLE_H_

#include <libpq-fe.h>

#include <cstdint>

#include "shim/ledger/ledger.h"
#include "shim/tracker/connections.h"

namespace pqleash::tracker {

// What is known when a connect begins.
struct Opening {
  uint32_t call_site;
  int32_t tid;
  const char* thread_name;  // 16 bytes
  uint64_t now;             // CLOCK_MONOTONIC, ns
  uint16_t libpq;
};

// What is known when it has come to an end.
struct Endpoint {
  uint32_t target;
  int32_t backend_pid;
};

// Thread-safe for different slots; a slot is used by one thread at a time, as libpq demands of its
// PGconn.
class Lifecycle {
 public:
  void Use(ledger::Ledger* ledger, Connections* connections);

  // A connect begins: a slot in state `connecting`, not yet in the table. kNoSlot: no room, which
  // is counted.
  uint32_t Begin(const Opening& opening);
  // The creator has returned `handle`: from now on Find knows it.
  // False: it could not be entered; the slot is given back, and that is counted.
  bool Attach(uint32_t slot, const PGconn* handle, const Endpoint& endpoint);

  void Established(uint32_t slot, const Endpoint& endpoint, uint64_t now);
  void Failed(uint32_t slot, const Endpoint& endpoint, uint64_t now);
  // A cap refused it: as Failed, and told apart.
  void Refused(uint32_t slot, const Endpoint& endpoint, uint64_t now);
  // A cap holds it back, in place or parked; then it goes on, `connecting` or `resetting` as
  // before. A wait changes no counter: what was open before a reset stays so.
  void Waiting(uint32_t slot);
  void Resumed(uint32_t slot, ledger::ConnectionState state);
  // libpq has seen the end of an established connection.
  void Broken(uint32_t slot, uint64_t now);
  void Resetting(uint32_t slot);
  // Fills a slot that was reserved for a connection that the parent opened (`description`, all but
  // its sequence), and enters it. It is never counted. kNoSlot: no room, which is counted.
  uint32_t Inherit(const PGconn* handle, const ledger::ConnectionSlot& description, uint16_t libpq);
  // The PGconn is gone. The slot must be out of the table, and is free afterwards; that of an
  // inherited connection stays, as evidence.
  void Ended(uint32_t slot, uint64_t now);

 private:
  void Move(uint32_t slot, ledger::ConnectionState state);
  void Fail(uint32_t slot, ledger::ConnectionState state, const Endpoint& endpoint, uint64_t now);
  void CountOpened(uint32_t slot);
  void CountClosed(uint32_t slot, uint64_t now);
  void CountFailed(uint32_t slot);
  ledger::ConnectionSlot& Record(uint32_t slot) const;
  ledger::CallSite& Site(uint32_t slot) const;

  ledger::Ledger* ledger_;
  Connections* connections_;
};

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_LIFECYCLE_H_
