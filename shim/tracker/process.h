// SPDX-License-Identifier: Apache-2.0
//
// What pqleash keeps for one process. Made at its first connect, in memory fresh from mmap, and
// never given back: other threads may be in it until the very end.
//
// Fork. A child gets a copy of the private memory and shares the pages of the parent's ledger,
// which is not the child's to write into. One word in a page that the kernel empties in a child
// (MADV_WIPEONFORK, madvise(2)) says whose state it is: no handler is needed, and fork by way of
// clone(2) or _Fork counts as well. A child makes its own Process at its own first connect; until
// then it has none. vfork and posix_spawn children share the memory and use no libpq.

#ifndef PQLEASH_SHIM_TRACKER_PROCESS_H_
#define PQLEASH_SHIM_TRACKER_PROCESS_H_

#include <atomic>
#include <cstdint>

#include "shim/caps/caps.h"
#include "shim/caps/parking.h"
#include "shim/caps/policy_cache.h"
#include "shim/interpose/function.h"
#include "shim/ledger/ledger.h"
#include "shim/ledger/script_frame_table.h"
#include "shim/ledger/string_heap.h"
#include "shim/ledger/targets.h"
#include "shim/log/output.h"
#include "shim/stack/call_sites.h"
#include "shim/stack/modules.h"
#include "shim/tracker/connections.h"
#include "shim/tracker/held_back.h"
#include "shim/tracker/lifecycle.h"
#include "shim/tracker/settings.h"
#include "shim/tracker/survey.h"
#include "shim/tracker/use_stacks.h"

namespace pqleash::tracker {

class Process {
 public:
  // This process's own state, or nullptr: none yet, or pqleash stays out of it. Two loads: fit for
  // every call.
  static Process* Current() {
    Process* process = current_.load(std::memory_order_acquire);
    return process != nullptr && owned_->load(std::memory_order_relaxed) != 0 ? process : nullptr;
  }
  // The same, and made now if there is none. nullptr: pqleash stays out, or there is no memory.
  static Process* CurrentOrCreate() noexcept;
  // The same for an attach: made also where an earlier one has left. The ledger says so.
  static Process* CreateAttached() noexcept;
  // Whether nothing is to be recorded in this process, for good.
  static bool StaysOut() noexcept;
  // Whether an attached state has left.
  static bool Left() noexcept;
  // The end of an attached state: Current() has none from now on, the ledger says so, and places at
  // caps are given back. The memory stays: other threads may be in it.
  void Leave() noexcept;
  // Whether no connect waits at a cap, and no refused connection is left.
  bool NothingHeldBack() const;
  // The state of the parent that this process was forked from: a copy, but for its ledger, which is
  // the parent's and only to be read. nullptr: none.
  static Process* Inherited() {
    return Current() == nullptr ? current_.load(std::memory_order_acquire)
                                : inherited_.load(std::memory_order_acquire);
  }

  // Makes sure that the ledger names the copy of libpq, and the way (ledger::LibpqWays) that its
  // calls have come.
  void BookLibpq(uint32_t number, uint32_t way);

  // By `pqleash attach`.
  bool attached() const { return ledger.header().attach_state != ledger::kNotAttached; }

  // Of the connection in a slot; 0: not attributed.
  uint64_t CallSiteId(uint32_t slot) const {
    return ledger.At<ledger::CallSite>(ledger::kCallSites, connections.At(slot).call_site).id;
  }

  Settings settings;
  ledger::Ledger ledger;
  ledger::StringHeap strings;
  ledger::Targets targets;
  ledger::ScriptFrameTable script_frames;
  stack::Modules modules;
  stack::CallSites call_sites;
  Connections connections;
  Lifecycle lifecycle;
  UseStacks use_stacks;
  caps::Caps caps;
  Survey survey;
  caps::PolicyCache policy_cache;
  HeldBack held_back;
  caps::Parking parking;
  ledger::StringRef function_names[kFunctionCount];
  char ledger_path[336];  // empty: the ledger lives in memory alone

 private:
  static Process* Create() noexcept;
  static Process* Allocate(const Settings& settings);
  bool MapLedger(const Identity& identity, int* directory);
  void BeginCaps(const Identity& identity, int directory);
  void FillHeader(const Identity& identity);
  void Prepare();
  void UseTables();

  static std::atomic<Process*> current_;
  static std::atomic<Process*> inherited_;
  static std::atomic<uint32_t>* owned_;
};

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_PROCESS_H_
