// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/lifecycle.h"

#include <cstddef>
#include <cstring>

#include "shim/ledger/histogram.h"
#include "shim/support/ticks.h"
#include "shim/tracker/history.h"

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

void Lifecycle::Use(ledger::Ledger* ledger, Connections* connections, caps::Caps* caps) {
  ledger_ = ledger;
  connections_ = connections;
  caps_ = caps;
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

void Lifecycle::CountOpened(uint32_t slot, uint64_t now, bool adopted) {
  connections_->At(slot).counted = true;
  ledger::Header& header = ledger_->header();
  Count(header.opened);
  const uint32_t open = ledger::Atomic(header.open).fetch_add(1, std::memory_order_relaxed) + 1;
  Raise(header.peak, open);
  ledger::HistoryPeriod& period = HistoryAt(*ledger_, now);
  if (!adopted) Count(period.opened);
  Raise(period.open_peak, open);
  ledger::CallSite& site = Site(slot);
  Count(site.opened);
  const uint32_t others = ledger::Atomic(site.open).fetch_add(1, std::memory_order_relaxed);
  Raise(site.peak, others + 1);
  if (!adopted && others > ledger::Load(site.in_use)) Count(site.opened_beside_idle);
}

void Lifecycle::CountClosed(uint32_t slot, uint64_t now) {
  connections_->At(slot).counted = false;
  ledger::Header& header = ledger_->header();
  Count(header.closed);
  Count(HistoryAt(*ledger_, now).closed);
  Add(header.open, UINT32_MAX);
  ledger::CallSite& site = Site(slot);
  Count(site.closed);
  const uint64_t established = ledger::Load(Record(slot).established_ns);
  Add(site.closed_life_ns, now > established ? now - established : 0);
  Add(site.open, UINT32_MAX);
}

void Lifecycle::CountFailed(uint32_t slot, uint64_t now) {
  Count(ledger_->header().failed);
  Count(HistoryAt(*ledger_, now).failed);
  Count(Site(slot).failed);
}

void Lifecycle::GiveBack(uint32_t slot, uint64_t now) {
  if (caps_ != nullptr) caps_->GiveBack(slot, now);
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
  connection.started_ns = opening.now;
  connection.busy_since_ns = 0;
  connection.idle_active_ns = 0;
  connection.idle_ticks = 0;
  if (caps_ != nullptr) caps_->Open(slot);
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
  ledger::StoreWords(record.thread_name, opening.thread_name, sizeof(record.thread_name));
  Store(record.last_activity_ns, opening.now);
  Store(record.commands, uint64_t{0});
  Store<uint32_t>(record.transaction, ledger::kTransactionUnknown);
  Store(record.in_call, 0u);
  Store(record.busy_ns, uint64_t{0});
  for (uint32_t& count : record.use_counts) Store(count, 0u);
  Store(record.resets, 0u);
  Store(record.libpq, opening.libpq);
  Store(record.closed_by, uint16_t{0});
  Store(record.waited_ns, uint64_t{0});
  Store(record.used_site, 0u);
  Store(record.touched_by, 0u);
  Store(record.opener_pid, 0);
  Store(record.inherited, 0u);
  Store(record.busy_since_ns, uint64_t{0});
  Store(record.longest_rest_ns, uint64_t{0});
  Store(record.last_thread, uint64_t{0});
  Store(record.thread_changes, 0u);
  Store(record.handovers, 0u);
  Move(slot, ledger::kConnecting);
  return slot;
}

bool Lifecycle::Attach(uint32_t slot, const PGconn* handle, const Endpoint& endpoint) {
  uint32_t stale = kNoSlot;
  if (!connections_->Insert(slot, handle, &stale)) {
    // Without an entry its end could not be seen: it must not look open for ever.
    Count(ledger_->header().unrecorded_connections);
    Ended(slot, ledger::Load(Record(slot).opened_ns));
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
  if (!connections_->At(slot).counted) CountOpened(slot, now);
  const uint64_t started = connections_->At(slot).started_ns;
  ledger::CountTime(ledger_->header().create_time, now > started ? now - started : 0);
}

void Lifecycle::Adopted(uint32_t slot, const Endpoint& endpoint, uint32_t transaction,
                        uint64_t now) {
  ledger::ConnectionSlot& record = Record(slot);
  {
    const SequenceGuard guard(record.sequence);
    Describe(record, endpoint);
    Store(record.established_ns, now);
    Store(record.transaction, transaction);
    Store<uint32_t>(record.inherited, ledger::kAdopted);
    Move(slot, ledger::kEstablished);
  }
  CountOpened(slot, now, true);
  if (transaction == ledger::kTransactionIdle) return;
  Busy(slot, now);
  Store(record.last_thread, uint64_t{0});  // not the thread that takes it over
}

void Lifecycle::Waiting(uint32_t slot, uint64_t now) {
  Count(HistoryAt(*ledger_, now).waited);
  const SequenceGuard guard(Record(slot).sequence);
  Move(slot, ledger::kWaiting);
}

void Lifecycle::CountWait(uint32_t slot, uint64_t now) {
  if (connections_->At(slot).state != ledger::kWaiting) return;
  uint64_t& started = connections_->At(slot).started_ns;
  const uint64_t waited = now > started ? now - started : 0;
  started = now;
  ledger::CountTime(ledger_->header().wait_time, waited);
  Store(Record(slot).waited_ns, waited);
}

void Lifecycle::Resumed(uint32_t slot, ledger::ConnectionState state, uint64_t now) {
  CountWait(slot, now);
  const SequenceGuard guard(Record(slot).sequence);
  Move(slot, state);
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
  GiveBack(slot, now);
  if (connections_->At(slot).counted) CountClosed(slot, now);
  CountFailed(slot, now);
}

void Lifecycle::Failed(uint32_t slot, const Endpoint& endpoint, uint64_t now) {
  Fail(slot, ledger::kFailed, endpoint, now);
}

void Lifecycle::Refused(uint32_t slot, const Endpoint& endpoint, uint64_t now) {
  CountWait(slot, now);
  Count(HistoryAt(*ledger_, now).refused);
  Fail(slot, ledger::kRefused, endpoint, now);
}

void Lifecycle::CountFailure(uint32_t slot, ledger::FailureClass reason, ledger::StringRef text,
                             uint64_t now) {
  ledger::Failure& failure = ledger_->header().failures[reason];
  Count(failure.count);
  Store(failure.last_ns, now);
  Store(failure.call_site, connections_->At(slot).call_site);
  if (text != 0 && ledger::Load(failure.text) == 0) Store(failure.text, text);
  if (reason != ledger::kFailureServerFull) return;
  Count(ledger_->header().server_full);
  Count(HistoryAt(*ledger_, now).server_full);
}

void Lifecycle::Broken(uint32_t slot, uint64_t now) {
  {
    const SequenceGuard guard(Record(slot).sequence);
    Move(slot, ledger::kBroken);
  }
  if (connections_->At(slot).busy_since_ns != 0) Idle(slot, now);
  GiveBack(slot, now);
  if (connections_->At(slot).counted) CountClosed(slot, now);
}

uint64_t Lifecycle::ActiveNs(uint64_t now) {
  const uint64_t last = last_use_ns_.load(std::memory_order_relaxed);
  // Within one tick of the clock nothing has passed.
  if (last >= now) return active_ns_.load(std::memory_order_relaxed);
  const uint64_t before = last_use_ns_.exchange(now, std::memory_order_relaxed);
  const uint64_t passed = before != 0 && before < now ? now - before : 0;
  const uint64_t active = passed < ledger::kQuietNs ? passed : ledger::kQuietNs;
  return active_ns_.fetch_add(active, std::memory_order_relaxed) + active;
}

// A rest has ended with a use: how long it was, and whether another thread has waited for its end.
void Lifecycle::CountReturn(const Connection& connection, ledger::ConnectionSlot& record,
                            uint64_t now, ledger::HistoryPeriod& period) {
  const uint64_t self = reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
  const uint64_t before = ledger::Load(record.last_thread);
  if (before != self) Store(record.last_thread, self);
  if (connection.idle_ticks == 0) return;  // its first use
  const uint64_t rest = ActiveNs(now) - connection.idle_active_ns;
  if (rest > ledger::Load(record.longest_rest_ns)) Store(record.longest_rest_ns, rest);
  if (before == self) return;
  Store(record.thread_changes, ledger::Load(record.thread_changes) + 1);
  Count(period.thread_changes);
  // Counters of two cores may differ by a little: then it is no time at all.
  const uint64_t ticks = Ticks();
  if (ticks > connection.idle_ticks && ticks - connection.idle_ticks > HalfMillisecondOfTicks())
    return;
  Store(record.handovers, ledger::Load(record.handovers) + 1);
  Count(period.handovers);
}

void Lifecycle::Busy(Connection& connection, ledger::ConnectionSlot& record, uint64_t now) {
  connection.busy_since_ns = now;
  Store(record.busy_since_ns, now);
  ledger::Header& header = ledger_->header();
  ledger::HistoryPeriod& period = HistoryAt(*ledger_, now);
  CountReturn(connection, record, now, period);
  const uint32_t in_use = ledger::Atomic(header.in_use).fetch_add(1, std::memory_order_relaxed) + 1;
  Raise(header.in_use_peak, in_use);
  Raise(period.in_use_peak, in_use);
  auto& site = ledger_->At<ledger::CallSite>(ledger::kCallSites, connection.call_site);
  Raise(site.in_use_peak, ledger::Atomic(site.in_use).fetch_add(1, std::memory_order_relaxed) + 1);
}

void Lifecycle::Idle(uint32_t slot, uint64_t now) {
  Connection& connection = connections_->At(slot);
  const uint64_t since = connection.busy_since_ns;
  const uint64_t lasted = now > since ? now - since : 0;
  connection.busy_since_ns = 0;
  connection.idle_active_ns = ActiveNs(now);
  connection.idle_ticks = Ticks();
  Add(ledger_->header().in_use, UINT32_MAX);
  ledger::CallSite& site = Site(slot);
  Add(site.in_use, UINT32_MAX);
  ledger::ConnectionSlot& record = Record(slot);
  Store(record.busy_since_ns, uint64_t{0});
  uint32_t& count = record.use_counts[ledger::UseCountOf(lasted)];
  Store(count, ledger::Load(count) + 1);
  ledger::HistoryPeriod& period = HistoryAt(*ledger_, now);
  Count(period.uses);
  if (lasted == 0) return;
  Store(record.busy_ns, ledger::Load(record.busy_ns) + lasted);
  Add(site.busy_ns, lasted);
  Add(period.busy_ns, lasted);
}

// Of a connection that ends: its uses go to the process's.
void Lifecycle::HandOverUses(uint32_t slot, uint64_t now) {
  if (connections_->At(slot).busy_since_ns != 0) Idle(slot, now);
  ledger::ConnectionSlot& record = Record(slot);
  ledger::Histogram& use_time = ledger_->header().use_time;
  Add(use_time.sum_ns, ledger::Load(record.busy_ns));
  Store(record.busy_ns, uint64_t{0});
  for (uint32_t i = 0; i < ledger::kUseCounts; ++i) {
    const uint32_t count = ledger::Load(record.use_counts[i]);
    if (count == 0) continue;
    Add(use_time.buckets[ledger::UseBucket(i)], uint64_t{count});
    Store(record.use_counts[i], 0u);
  }
}

void Lifecycle::Resetting(uint32_t slot, uint64_t now) {
  if (connections_->At(slot).busy_since_ns != 0) Idle(slot, now);  // the session is thrown away
  connections_->At(slot).started_ns = now;
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
  connection.busy_since_ns = 0;
  ledger::ConnectionSlot& record = Record(slot);
  {
    const SequenceGuard guard(record.sequence);
    const uint32_t sequence = ledger::Load(record.sequence);
    ledger::StoreWords(&record.state, &description.state,
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
  HandOverUses(slot, now);
  {
    const SequenceGuard guard(Record(slot).sequence);
    Move(slot, ledger::kSlotFree);
  }
  GiveBack(slot, now);
  if (connections_->At(slot).counted) {
    CountClosed(slot, now);
  } else if (state == ledger::kConnecting || state == ledger::kResetting ||
             state == ledger::kWaiting) {
    CountFailed(slot, now);  // abandoned half way
  }
  connections_->Release(slot);
}

void Lifecycle::ClosedBy(uint32_t slot, const stack::Closer& closer, uint64_t now) {
  const uint32_t state = connections_->At(slot).state;
  const bool was_open = state == ledger::kEstablished || state == ledger::kBroken;
  if (was_open && closer.closing == stack::Closing::kRequest)
    Count(ledger_->header().closed_with_request);
  if (was_open && closer.closing == stack::Closing::kShutdown &&
      KeepAsLeftOpen(slot, closer.language, now))
    return;
  Ended(slot, now);
}

// False: there are too many already.
bool Lifecycle::KeepAsLeftOpen(uint32_t slot, ledger::Language by, uint64_t now) {
  uint64_t& left_open = ledger_->header().left_open;
  if (ledger::Atomic(left_open).fetch_add(1, std::memory_order_relaxed) >= ledger::kMaxLeftOpen)
    return false;
  HandOverUses(slot, now);
  {
    ledger::ConnectionSlot& record = Record(slot);
    const SequenceGuard guard(record.sequence);
    Store(record.closed_by, static_cast<uint16_t>(by));
    Move(slot, ledger::kLeftOpen);
  }
  GiveBack(slot, now);
  if (connections_->At(slot).counted) CountClosed(slot, now);
  return true;
}

}  // namespace pqleash::tracker
