// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/exit.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "shim/log/log.h"
#include "shim/log/output.h"
#include "shim/support/clock.h"
#include "shim/support/futex.h"
#include "shim/support/host_state.h"
#include "shim/tracker/exit_report.h"
#include "shim/tracker/process.h"
#include "shim/tracker/sandbox.h"

// glibc's, for destructors of thread_local objects; since 2.18.
extern "C" int __cxa_thread_atexit_impl(void (*destroy)(void*), void* object,  // NOLINT
                                        void* library) __attribute__((weak));
extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;  // NOLINT

namespace pqleash::tracker {

namespace {

constinit std::atomic<bool> registered{false};
constinit std::atomic<bool> again{false};
// Of the wait for an examiner. A child of a fork starts with its parent's count: its handlers are
// the parent's, and run in the child as well.
constexpr uint32_t kMaxHoldHandlers = 64;
constinit std::atomic<uint32_t> hold_handlers{0};
constinit std::atomic<bool> held{false};
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

// What a call need not keep (System V ABI, 3.2.1) is dead here, and the address of a connection
// that is left in it would be taken for a reference.
void ClearDeadRegisters() {
#if defined(__x86_64__)
  asm volatile(
      "pxor %%xmm0, %%xmm0\n\t"
      "pxor %%xmm1, %%xmm1\n\t"
      "pxor %%xmm2, %%xmm2\n\t"
      "pxor %%xmm3, %%xmm3\n\t"
      "pxor %%xmm4, %%xmm4\n\t"
      "pxor %%xmm5, %%xmm5\n\t"
      "pxor %%xmm6, %%xmm6\n\t"
      "pxor %%xmm7, %%xmm7\n\t"
      "pxor %%xmm8, %%xmm8\n\t"
      "pxor %%xmm9, %%xmm9\n\t"
      "pxor %%xmm10, %%xmm10\n\t"
      "pxor %%xmm11, %%xmm11\n\t"
      "pxor %%xmm12, %%xmm12\n\t"
      "pxor %%xmm13, %%xmm13\n\t"
      "pxor %%xmm14, %%xmm14\n\t"
      "pxor %%xmm15, %%xmm15\n\t"
      "xorl %%r8d, %%r8d\n\t"
      "xorl %%r9d, %%r9d\n\t"
      "xorl %%r10d, %%r10d\n\t"
      "xorl %%r11d, %%r11d"
      :
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "r8", "r9", "r10", "r11", "cc");
#endif
}

// Where a filter may be, no call that sleeps is known to be allowed: a turn of the processor, some
// milliseconds long. An examiner takes few of them.
void Turn() {
  constexpr int kSteps = 100'000;
  for (int step = 0; step < kSteps; ++step) {
#if defined(__x86_64__)
    asm volatile("pause");
#else
    asm volatile("yield");
#endif
  }
}
constexpr uint32_t kMaxTurns = 100'000;  // minutes, whatever the clock says

// Waits until somebody has looked at the process's memory, or the time is over. Of several handlers
// the first one that finds a connection open. Other threads may still be at work.
void HoldForExaminer() {
  Process* process = Process::Current();
  if (process == nullptr || process->ledger_path[0] == '\0') return;
  ledger::Header& header = process->ledger.header();
  if (ledger::Load(header.open) == 0 || held.exchange(true)) return;
  const HostStateKeeper keeper;
  BeginToEnd();
  if (!FilterExpected()) AllowExaminer(*process);
  WaitClock clock;
  uint32_t turns = 0;
  const uint64_t until = clock.Now() + uint64_t{process->settings.hold_at_exit_ms} * 1'000'000;
  ledger::Store(header.exit_hold_until_ns, until);
  ledger::StoreRelease<uint32_t>(header.exit_hold, ledger::kHoldWaiting);
  while (ledger::LoadAcquire(header.exit_hold) == ledger::kHoldWaiting && clock.Now() < until) {
    ClearDeadRegisters();
    if (FilterExpected()) {
      Turn();
      if (turns++ == kMaxTurns) break;
    } else {
      clock.Sleep(&header.exit_hold, ledger::kHoldWaiting, until);
    }
  }
  if (!FilterExpected()) prctl(PR_SET_PTRACER, 0, 0, 0, 0);
  uint32_t waiting = ledger::kHoldWaiting;
  ledger::Atomic(header.exit_hold).compare_exchange_strong(waiting, ledger::kHoldOver);
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
  if (!FilterExpected()) log::Finish();
  if (output != nullptr) WriteExitReport(*process, *output);
}

}  // namespace

void WatchExit(const char* report_at_exit) noexcept {
  if (report_at_exit[0] != '\0') output = new (output_memory) log::Output(report_at_exit);
  if (!registered.exchange(true)) atexit(BeginToEnd);
}

void WatchExitAgain() noexcept {
  if (again.exchange(true)) return;
  const ErrnoKeeper errno_keeper;
  atexit(BeginToEnd);
}

void AllowExaminer(const Process& process) noexcept {
  if (process.settings.hold_at_exit_ms != 0) prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
}

void WatchHolders(const Process& process) noexcept {
  if (process.settings.hold_at_exit_ms == 0) return;
  if (hold_handlers.load(std::memory_order_relaxed) >= kMaxHoldHandlers) return;
  if (hold_handlers.fetch_add(1, std::memory_order_relaxed) >= kMaxHoldHandlers) return;
  const ErrnoKeeper errno_keeper;
  atexit(HoldForExaminer);
  // exit() runs the destructors of its thread's thread_local objects before all handlers: what was
  // constructed after the latest of ours is seen, too, where the first thread ends the process.
  // Other threads come and go.
  if (ThreadId() == static_cast<int32_t>(ledger::Load(process.ledger.header().pid)) &&
      __cxa_thread_atexit_impl != nullptr) {
    __cxa_thread_atexit_impl([](void*) { HoldForExaminer(); }, nullptr, &__dso_handle);
  }
}

}  // namespace pqleash::tracker
