// SPDX-License-Identifier: Apache-2.0
//
// The states of a connection (LEDGER.md, 'The states of a slot') and the counters that follow from
// them. Every change of state goes through here, so that slots and counters cannot disagree but for
// the operation in flight.

#ifndef PQLEASH_SHIM_TRACKER_LIFECYCLE_H_
#define PQLEASH_SHIM_TRACKER_LIFECYCLE_H_

#include <libpq-fe.h>

#include <atomic>
#include <cstdint>

#include "shim/caps/caps.h"
#include "shim/ledger/ledger.h"
#include "shim/stack/script/script_frames.h"
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
  // A place at the caps is held until Failed, Refused, Broken or Ended. `caps` may be nullptr.
  void Use(ledger::Ledger* ledger, Connections* connections, caps::Caps* caps);

  // A connect begins: a slot in state `connecting`, not yet in the table. kNoSlot: no room, which
  // is counted.
  uint32_t Begin(const Opening& opening);
  // The creator has returned `handle`: from now on Find knows it.
  // False: it could not be entered; the slot is given back, and that is counted.
  bool Attach(uint32_t slot, const PGconn* handle, const Endpoint& endpoint);

  void Established(uint32_t slot, const Endpoint& endpoint, uint64_t now);
  // Established before anybody looked (adoption.h). It is open from now on, and counts as opened,
  // but for history: nothing was opened in this period. `transaction`: ledger::TransactionStatus.
  void Adopted(uint32_t slot, const Endpoint& endpoint, uint32_t transaction, uint64_t now);
  void Failed(uint32_t slot, const Endpoint& endpoint, uint64_t now);
  // A cap refused it: as Failed, and told apart.
  void Refused(uint32_t slot, const Endpoint& endpoint, uint64_t now);
  // A cap holds it back, in place or parked; then it goes on, `connecting` or `resetting` as
  // before. A wait changes no counter: what was open before a reset stays so.
  void Waiting(uint32_t slot, uint64_t now);
  void Resumed(uint32_t slot, ledger::ConnectionState state, uint64_t now);
  // Why a connect failed. `text`: libpq's words for it, without secrets, in the ledger's heap of
  // strings; 0: they are known already, or have found no room.
  void CountFailure(uint32_t slot, ledger::FailureClass reason, ledger::StringRef text,
                    uint64_t now);
  // libpq has seen the end of an established connection.
  void Broken(uint32_t slot, uint64_t now);
  // A command takes the connection out of idle, or it is idle again. On the path of a query:
  // CLOCK_MONOTONIC_COARSE.
  void Busy(Connection& connection, ledger::ConnectionSlot& record, uint64_t now);
  void Busy(uint32_t slot, uint64_t now) { Busy(connections_->At(slot), Record(slot), now); }
  void Idle(uint32_t slot, uint64_t now);
  void Resetting(uint32_t slot, uint64_t now);
  // Fills a slot that was reserved for a connection that the parent opened (`description`, all but
  // its sequence), and enters it. It is never counted. kNoSlot: no room, which is counted.
  uint32_t Inherit(const PGconn* handle, const ledger::ConnectionSlot& description, uint16_t libpq);
  // The PGconn is gone. The slot must be out of the table, and is free afterwards; that of an
  // inherited connection stays, as evidence.
  void Ended(uint32_t slot, uint64_t now);
  // Likewise, and `closer` has passed it to PQfinish. What an interpreter closes in its own
  // shutdown the program has left open: of an established or broken connection the slot stays, in
  // state `left open`, as long as there is room (ledger::kMaxLeftOpen). Everything else is as at
  // any end.
  void ClosedBy(uint32_t slot, const stack::Closer& closer, uint64_t now);

 private:
  void Move(uint32_t slot, ledger::ConnectionState state);
  void CountOpened(uint32_t slot, uint64_t now, bool adopted = false);
  void Fail(uint32_t slot, ledger::ConnectionState state, const Endpoint& endpoint, uint64_t now);
  void CountWait(uint32_t slot, uint64_t now);
  void CountClosed(uint32_t slot, uint64_t now);
  void CountFailed(uint32_t slot, uint64_t now);
  bool KeepAsLeftOpen(uint32_t slot, ledger::Language by, uint64_t now);
  void GiveBack(uint32_t slot, uint64_t now);
  void HandOverUses(uint32_t slot, uint64_t now);
  uint64_t ActiveNs(uint64_t now);
  void CountReturn(const Connection& connection, ledger::ConnectionSlot& record, uint64_t now,
                   ledger::HistoryPeriod& period);
  ledger::ConnectionSlot& Record(uint32_t slot) const;
  ledger::CallSite& Site(uint32_t slot) const;

  // The end of the latest use of any connection, and the process's active time: what has passed
  // between the ends of uses, of each gap no more than ledger::kQuietNs.
  std::atomic<uint64_t> last_use_ns_;
  std::atomic<uint64_t> active_ns_;
  ledger::Ledger* ledger_;
  Connections* connections_;
  caps::Caps* caps_;
};

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_LIFECYCLE_H_
