// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/use_stacks.h"

#include "shim/stack/call_sites.h"
#include "shim/stack/capture.h"
#include "shim/stack/loader_state.h"
#include "shim/stack/script/interpreters.h"
#include "shim/support/host_state.h"
#include "shim/tracker/process.h"

namespace pqleash::tracker {

namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kRestNs = 1'000'000;
constexpr uint32_t kCountBits = 16;

// 0: not known. Needs some 6 KiB of stack, as a connect does; of a Python program 12 KiB more.
uint32_t Book(Process& process, const void* caller) {
  const LoaderState loader = ReadLoaderState();
  const uint32_t depth = process.settings.stack_depth;
  const bool may_add = process.call_sites.HasRoomForUses();
  stack::Stack stack;
  stack::CaptureFrom(caller, depth, loader, &stack);
  if (process.settings.script_frames &&
      !stack::CaptureScriptOfUse(process.script_frames, depth, loader, may_add, &stack)) {
    return 0;
  }
  return process.call_sites.BookUse(stack, loader, may_add);
}

}  // namespace

bool Budget::Spend(uint64_t now) {
  const uint64_t second = now / kSecondNs << kCountBits;
  const uint64_t spent = spent_.load(std::memory_order_relaxed);
  if (spent >> kCountBits << kCountBits != second) {
    spent_.store(second + 1, std::memory_order_relaxed);
    return true;
  }
  if (spent - second >= a_second_) return false;
  spent_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

[[gnu::noinline]] void UseStacks::Note(Process& process, uint32_t slot, const void* caller,
                                       uint64_t now) noexcept {
  auto& record = process.ledger.At<ledger::ConnectionSlot>(ledger::kConnections, slot);
  // The first use is a driver's own as a rule, at once after the connect: the place of that is
  // known.
  const bool first = process.connections.At(slot).idle_ticks == 0;
  if (first && now < ledger::Load(record.established_ns) + kRestNs) return;
  const ErrnoKeeper errno_keeper;
  // A handler that has interrupted a call of the linker's must not make another (loader_state.h).
  const uint32_t site = !loader_calls.under_way && budget_.Spend(now) ? Book(process, caller) : 0;
  ledger::Header& header = process.ledger.header();
  ledger::Count(site != 0 ? header.uses_noted : header.uses_not_noted);
  ledger::Store(record.used_site, site);
}

}  // namespace pqleash::tracker
