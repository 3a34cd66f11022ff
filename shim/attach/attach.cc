// SPDX-License-Identifier: Apache-2.0
//
// The library's half of `pqleash attach`: order.h says what is asked. It runs on a thread of the
// host that the tool has stopped in a system call, outside of the allocator and the dynamic linker.

#include <sys/mman.h>

#include <atomic>
#include <cstring>

#include "shim/attach/fields.h"
#include "shim/attach/order.h"
#include "shim/config/environment.h"
#include "shim/interpose/bound.h"
#include "shim/interpose/intercepted.h"
#include "shim/libpq/copies.h"
#include "shim/support/host_state.h"
#include "shim/tracker/adoption.h"
#include "shim/tracker/process.h"

namespace pqleash::attach {

namespace {

using tracker::Process;

void Describe(Copy* answer) {
  void* signature = reinterpret_cast<void*>(answer->signature);  // NOLINT: written by the tool
  const libpq::Copy* copy = libpq::ForDefinition(signature);
  answer->number = kNoOffset;
  if (copy == nullptr) return;
  answer->number = libpq::Number(copy);
  answer->version = copy->version;
  answer->fields = MeasureFields(*copy);
  for (uint32_t i = 0; i < kFunctionCount; ++i) {
    const auto function = static_cast<Function>(i);
    if (copy->Real(function) == nullptr) continue;
    answer->wrappers[i] = reinterpret_cast<uintptr_t>(BoundWrapper(function, answer->number));
  }
}

void DescribeCopies(Order* order) {
  static_assert(kCopies == kBoundCopies);
  for (Copy& copy : order->copies) {
    if (copy.signature == 0) break;
    Describe(&copy);
  }
  order->waiting_word = reinterpret_cast<uintptr_t>(tracker::WaitingWord());
}

Result Begin(Order* order) {
  if (const Process* process = Process::Current()) {
    const uint32_t state = ledger::Load(process->ledger.header().attach_state);
    if (state != ledger::kAttachBegun) return kAlreadyCovered;
    DescribeCopies(order);  // an attach that was killed half way
    return kDone;
  }
  order->variables[sizeof(order->variables) - 1] = '\0';
  order->variables[sizeof(order->variables) - 2] = '\0';
  config::Give(order->variables);
  if (config::Disabled()) return kStaysOut;
  DecideAnew();
  Process* process = Process::CreateAttached();
  if (process == nullptr) return Process::StaysOut() ? kStaysOut : kNoState;
  DescribeCopies(order);
  return kDone;
}

Result Finish() {
  Process* process = Process::Current();
  if (process == nullptr) return kNotAttached;
  ledger::Header& header = process->ledger.header();
  if (ledger::Load(header.attach_state) == ledger::kNotAttached) return kNotAttached;
  // Another thread may have taken them over, or be at it.
  tracker::TakeWaiting(*process);
  ledger::Store<uint32_t>(header.attach_state, ledger::kAttached);
  return std::atomic_ref(*tracker::WaitingWord()).load(std::memory_order_acquire) == 0 ? kDone
                                                                                       : kListInUse;
}

Result Detach(Order* order) {
  Process* process = Process::Current();
  // One that was detached half way: it answers again.
  if (process == nullptr && !Process::Left()) return kNotAttached;
  if (process != nullptr) {
    if (ledger::Load(process->ledger.header().attach_state) == ledger::kNotAttached)
      return kNotAttached;
    // libpq's own answers of such a connection are not safe: libpq/nested_poll.h.
    if (!process->NothingHeldBack()) return kHeldBack;
    tracker::DropWaiting();
    StopIntercepting();
    process->Leave();
  }
  DescribeCopies(order);
  return kDone;
}

Result Carry(Order* order) {
  if (order->magic != kOrderMagic || order->size != sizeof(Order) ||
      order->function_count != kFunctionCount)
    return kOtherVersion;
  switch (order->command) {
    case kBegin:
      return Begin(order);
    case kFinish:
      return Finish();
    case kDetach:
      return Detach(order);
    default:
      return kOtherVersion;
  }
}

}  // namespace

}  // namespace pqleash::attach

extern "C" __attribute__((visibility("default"))) void pqleash_attach(
    pqleash::attach::Order* order) {
  const pqleash::HostStateKeeper keeper;
  order->result = pqleash::attach::Carry(order);
}
