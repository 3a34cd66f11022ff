// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/exit.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include "shim/log/output.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"
#include "shim/tracker/exit_report.h"
#include "shim/tracker/process.h"

namespace pqleash::tracker {

namespace {

constinit std::atomic<bool> registered{false};
// Where the report at exit goes, remembered while stderr is still what it was; nullptr: none is
// wanted.
alignas(log::Output) constinit char output_memory[sizeof(log::Output)] = {};
constinit log::Output* output = nullptr;

// Registered at the first connect, so it runs before what was registered earlier, such as a
// library's own clean-up.
void BeginToEnd() {
  Process* process = Process::Current();
  if (process == nullptr) return;
  ledger::Header& header = process->ledger.header();
  if (ledger::Load(header.ending_ns) != 0) return;
  ledger::Store<uint64_t>(header.open_when_ending, ledger::Load(header.open));
  ledger::Store(header.ending_ns, Now());
  ledger::Store<uint32_t>(header.process_state, ledger::kProcessEnding);
}

// Runs after the exit handlers, with the destructors of this library.
__attribute__((destructor)) void End() {
  Process* process = Process::Current();
  if (process == nullptr) return;
  const HostStateKeeper keeper;
  BeginToEnd();
  ledger::Header& header = process->ledger.header();
  ledger::Store(header.ended_ns, Now());
  ledger::Store<uint32_t>(header.process_state, ledger::kProcessEnded);
  process->caps.Leave(Now());
  if (output != nullptr) WriteExitReport(*process, *output);
}

}  // namespace

void WatchExit(const char* report_at_exit) noexcept {
  if (report_at_exit[0] != '\0') output = new (output_memory) log::Output(report_at_exit);
  if (!registered.exchange(true)) atexit(BeginToEnd);
}

}  // namespace pqleash::tracker
