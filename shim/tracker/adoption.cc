// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/adoption.h"

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "shim/libpq/copies.h"
#include "shim/stack/call_sites.h"
#include "shim/stack/loader_state.h"
#include "shim/support/bounded_lock.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"

namespace pqleash::tracker {

namespace {

constinit uint64_t waiting = 0;
constinit BoundedLock taking;

constexpr char kNobody[16] = {};

// As a frame of a script it needs no module, and every reader of ledgers shows it.
uint32_t BookPlaceholder(Process& process) {
  stack::Stack stack;
  stack.count = 0;
  stack.flags = ledger::kStackIncomplete;
  stack.interpreter = nullptr;
  stack.script_count = 1;
  stack.script_frames[0] =
      process.script_frames.Intern(ledger::kNative, ledger::kOpenedBefore, "", 0);
  return process.call_sites.Book(stack, ReadLoaderState());
}

// A slot in state `connecting`, in the table. kNoSlot: no room, which is counted.
uint32_t Enter(Process& process, uint32_t copy, const PGconn* handle, const Endpoint& endpoint) {
  const uint32_t slot = process.lifecycle.Begin(
      {BookPlaceholder(process), 0, kNobody, Now(), static_cast<uint16_t>(copy)});
  if (slot == kNoSlot) return kNoSlot;
  return process.lifecycle.Attach(slot, handle, endpoint) ? slot : kNoSlot;
}

bool TakeOne(Process& process, attach::Adopted& adopted) {
  const uint64_t handle = std::atomic_ref(adopted.handle).exchange(0, std::memory_order_acq_rel);
  const auto* conn = reinterpret_cast<const PGconn*>(handle);  // NOLINT: an address, not an object
  if (conn == nullptr || adopted.copy >= libpq::kMaxCopies) return false;
  if (process.connections.Find(conn) != kNoSlot) return false;
  adopted.host[sizeof(adopted.host) - 1] = '\0';
  adopted.dbname[sizeof(adopted.dbname) - 1] = '\0';
  adopted.user[sizeof(adopted.user) - 1] = '\0';
  char port[16];
  snprintf(port, sizeof(port), "%u", adopted.port);
  const uint32_t target =
      process.targets.Intern({adopted.host, port, adopted.dbname, adopted.user, nullptr});
  process.BookLibpq(adopted.copy, ledger::kWayBound);
  const Endpoint endpoint = {target, adopted.backend_pid};
  const uint32_t slot = Enter(process, adopted.copy, conn, endpoint);
  if (slot == kNoSlot) return false;
  process.lifecycle.Adopted(slot, endpoint, adopted.transaction, Now());
  return true;
}

}  // namespace

uint64_t* WaitingWord() { return &waiting; }

void DropWaiting() noexcept { std::atomic_ref(waiting).store(0, std::memory_order_release); }

uint32_t TakeWaiting(Process& process) noexcept {
  if (std::atomic_ref(waiting).load(std::memory_order_acquire) == 0) return 0;
  const HostStateKeeper keeper;
  const BoundedLockHolder lock(taking);
  const uint64_t address = std::atomic_ref(waiting).load(std::memory_order_acquire);
  if (!lock.held() || address == 0) return 0;
  auto* order = reinterpret_cast<attach::Order*>(address);  // NOLINT: written by the tool
  uint32_t taken = 0;
  const uint32_t count = std::min(order->adopted_count, attach::kMaxAdopted);
  for (uint32_t i = 0; i < count; ++i) taken += TakeOne(process, order->adopted[i]) ? 1 : 0;
  order->taken_count = taken;
  DropWaiting();
  process.caps.EnrolHeld(Now());
  return taken;
}

uint32_t AdoptUsed(Process& process, const libpq::Copy& copy, PGconn* conn) noexcept {
  // Those without a slot, for want of room, are counted already.
  if (ledger::Load(process.ledger.header().unrecorded_connections) != 0) return kNoSlot;
  const ConnStatusType status = copy.status(conn);
  if (status == CONNECTION_BAD) return kNoSlot;
  const uint32_t number = libpq::Number(&copy);
  process.BookLibpq(number, ledger::kWayBound);
  // Of one whose connect is under way libpq need not know the host yet.
  if (status != CONNECTION_OK) return Enter(process, number, conn, {0, 0});
  ledger::TargetText text = {};
  text.host = copy.host(conn);
  text.port = copy.port(conn);
  text.dbname = copy.db(conn);
  text.user = copy.user(conn);
  text.application_name = copy.parameter_status(conn, "application_name");
  const Endpoint endpoint = {process.targets.Intern(text), copy.backend_pid(conn)};
  const uint32_t slot = Enter(process, number, conn, endpoint);
  if (slot == kNoSlot) return kNoSlot;
  process.lifecycle.Adopted(slot, endpoint, static_cast<uint32_t>(copy.transaction_status(conn)),
                            Now());
  process.caps.EnrolHeld(Now());
  return slot;
}

}  // namespace pqleash::tracker
