// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/lifecycle.h"

#include <cstddef>
#include <cstring>

namespace pqleash::tracker {

using ledger::Add;
using ledger::Count;
using ledger::Raise;
using ledger::SequenceGuard;
using ledger::Store;

namespace {

void Describe(ledger::ConnectionSlot& record, const Endpoint& endpoint) {
  Store(record.target, endpoint.target);
  Store(record.backend_pid, endpoint.backend_pid);
}

}  // namespace

void Lifecycle::Use(ledger::Ledger* ledger, Connections* connections) {
  ledger_ = ledger;
  connections_ = connections;
}

ledger::ConnectionSlot& Lifecycle::Record(uint32_t slot) const {
  return ledger_->At<ledger::ConnectionSlot>(ledger::kConnections, slot);
}

ledger::CallSite& Lifecycle::Site(uint32_t slot) const {
  return ledger_->At<ledger::CallSite>(ledger::kCallSites, connections_->At(slot).call_site);
}

void Lifecycle::Move(uint32_t slot, ledger::ConnectionState state) {
  connections_->At(slot).state = state;
  Store<uint32_t>(Record(slot).state, state);
}

void Lifecycle::CountOpened(uint32_t slot) {
  connections_->At(slot).counted = true;
  ledger::Header& header = ledger_->header();
  Count(header.opened);
  Raise(header.peak, ledger::Atomic(header.open).fetch_add(1, std::memory_order_relaxed) + 1);
  ledger::CallSite& site = Site(slot);
  Count(site.opened);
  Raise(site.peak, ledger::Atomic(site.open).fetch_add(1, std::memory_order_relaxed) + 1);
}

void Lifecycle::CountClosed(uint32_t slot, uint64_t now) {
  connections_->At(slot).counted = false;
  ledger::Header& header = ledger_->header();
  Count(header.closed);
  Add(header.open, UINT32_MAX);
  ledger::CallSite& site = Site(slot);
  Count(site.closed);
  const uint64_t established = ledger::Load(Record(slot).established_ns);
  Add(site.closed_life_ns, now > established ? now - established : 0);
  Add(site.open, UINT32_MAX);
}

void Lifecycle::CountFailed(uint32_t slot) {
  Count(ledger_->header().failed);
  Count(Site(slot).failed);
}

uint32_t Lifecycle::Begin(const Opening& opening) {
  const uint32_t slot = connections_->Reserve();
  if (slot == kNoSlot) {
    Count(ledger_->header().unrecorded_connections);
    return kNoSlot;
  }
  Connection& connection = connections_->At(slot);
  connection.call_site = opening.call_site;
  connection.libpq = opening.libpq;
  connection.counted = false;
  ledger::CallSite& site = Site(slot);
  uint64_t never = 0;
  ledger::Atomic(site.first_ns)
      .compare_exchange_strong(never, opening.now, std::memory_order_relaxed);
  Store(site.last_ns, opening.now);

  ledger::ConnectionSlot& record = Record(slot);
  const SequenceGuard guard(record.sequence);
  Store(record.handle, uint64_t{0});
  Store(record.call_site, opening.call_site);
  Describe(record, {0, 0});
  Store(record.tid, opening.tid);
  Store(record.opened_ns, opening.now);
  Store(record.established_ns, uint64_t{0});
  memcpy(record.thread_name, opening.thread_name, sizeof(record.thread_name));
  Store(record.last_activity_ns, opening.now);
  Store(record.commands, uint64_t{0});
  Store<uint32_t>(record.transaction, ledger::kTransactionUnknown);
  Store(record.in_call, 0u);
  Store(record.resets, 0u);
  Store<uint32_t>(record.libpq, opening.libpq);
  Store(record.touched_site, 0u);
  Store(record.touched_by, 0u);
  Store(record.opener_pid, 0);
  Store(record.inherited, 0u);
  Move(slot, ledger::kConnecting);
  return slot;
}

bool Lifecycle::Attach(uint32_t slot, const PGconn* handle, const Endpoint& endpoint) {
  uint32_t stale = kNoSlot;
  if (!connections_->Insert(slot, handle, &stale)) {
    // Without an entry its end could not be seen: it must not look open for ever.
    Count(ledger_->header().unrecorded_connections);
    Ended(slot, 0);
    return false;
  }
  if (stale != kNoSlot) Ended(stale, ledger::Load(Record(slot).opened_ns));
  ledger::ConnectionSlot& record = Record(slot);
  const SequenceGuard guard(record.sequence);
  Store(record.handle, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(handle)));
  Describe(record, endpoint);
  return true;
}

void Lifecycle::Established(uint32_t slot, const Endpoint& endpoint, uint64_t now) {
  ledger::ConnectionSlot& record = Record(slot);
  {
    const SequenceGuard guard(record.sequence);
    Describe(record, endpoint);
    Store(record.established_ns, now);
    Store(record.last_activity_ns, now);
    Store<uint32_t>(record.transaction, ledger::kTransactionIdle);
    if (connections_->At(slot).state == ledger::kResetting)
      Store(record.resets, ledger::Load(record.resets) + 1);
    Move(slot, ledger::kEstablished);
  }
  if (!connections_->At(slot).counted) CountOpened(slot);
}

void Lifecycle::Fail(uint32_t slot, ledger::ConnectionState state, const Endpoint& endpoint,
                     uint64_t now) {
  ledger::ConnectionSlot& record = Record(slot);
  {
    const SequenceGuard guard(record.sequence);
    Describe(record, endpoint);
    Store<uint32_t>(record.transaction, ledger::kTransactionUnknown);
    Move(slot, state);
  }
  if (connections_->At(slot).counted) CountClosed(slot, now);
  CountFailed(slot);
}

void Lifecycle::Failed(uint32_t slot, const Endpoint& endpoint, uint64_t now) {
  Fail(slot, ledger::kFailed, endpoint, now);
}

void Lifecycle::Refused(uint32_t slot, const Endpoint& endpoint, uint64_t now) {
  Fail(slot, ledger::kRefused, endpoint, now);
}

void Lifecycle::Waiting(uint32_t slot) {
  const SequenceGuard guard(Record(slot).sequence);
  Move(slot, ledger::kWaiting);
}

void Lifecycle::Resumed(uint32_t slot, ledger::ConnectionState state) {
  const SequenceGuard guard(Record(slot).sequence);
  Move(slot, state);
}

void Lifecycle::Broken(uint32_t slot, uint64_t now) {
  {
    const SequenceGuard guard(Record(slot).sequence);
    Move(slot, ledger::kBroken);
  }
  if (connections_->At(slot).counted) CountClosed(slot, now);
}

void Lifecycle::Resetting(uint32_t slot) {
  const SequenceGuard guard(Record(slot).sequence);
  Move(slot, ledger::kResetting);
}

uint32_t Lifecycle::Inherit(const PGconn* handle, const ledger::ConnectionSlot& description,
                            uint16_t libpq) {
  const uint32_t slot = connections_->Reserve();
  uint32_t stale = kNoSlot;
  if (slot == kNoSlot) {
    Count(ledger_->header().unrecorded_connections);
    return kNoSlot;
  }
  Connection& connection = connections_->At(slot);
  connection.call_site = description.call_site;
  connection.libpq = libpq;
  connection.counted = false;
  ledger::ConnectionSlot& record = Record(slot);
  {
    const SequenceGuard guard(record.sequence);
    const uint32_t sequence = ledger::Load(record.sequence);
    memcpy(&record.state, &description.state,
           sizeof(record) - offsetof(ledger::ConnectionSlot, state));
    Store(record.sequence, sequence);
    Move(slot, ledger::kInherited);
  }
  if (connections_->Insert(slot, handle, &stale)) {
    if (stale != kNoSlot) Ended(stale, description.opened_ns);
  }
  return slot;
}

void Lifecycle::Ended(uint32_t slot, uint64_t now) {
  const uint32_t state = connections_->At(slot).state;
  if (state == ledger::kInherited) {
    const SequenceGuard guard(Record(slot).sequence);
    Store(Record(slot).inherited, Record(slot).inherited | ledger::kFinishedHere);
    return;
  }
  {
    const SequenceGuard guard(Record(slot).sequence);
    Move(slot, ledger::kSlotFree);
  }
  if (connections_->At(slot).counted) {
    CountClosed(slot, now);
  } else if (state == ledger::kConnecting || state == ledger::kResetting ||
             state == ledger::kWaiting) {
    CountFailed(slot);  // abandoned half way
  }
  connections_->Release(slot);
}

}  // namespace pqleash::tracker
