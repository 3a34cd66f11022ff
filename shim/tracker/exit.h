// SPDX-License-Identifier: Apache-2.0
//
// The end of the process: when it began (exit handlers and finalisers are still to run, and
// interpreters close what is open then), and when it was complete. An end by _exit, a signal or a
// crash passes this by: the ledger shows it.

#ifndef PQLEASH_SHIM_TRACKER_EXIT_H_
#define PQLEASH_SHIM_TRACKER_EXIT_H_

namespace pqleash::tracker {

class Process;

// Registers an exit handler, once; children of a fork have it too. `report_at_exit`: 'stderr', a
// path, or empty.
void WatchExit(const char* report_at_exit) noexcept;

// At the first connect of a process whose state was made before main: the handler is to run before
// those that the host has registered since.
void WatchExitAgain() noexcept;

// Where the process is to wait for an examiner at its end, and only ancestors may look
// (kernel.yama.ptrace_scope), the examiner is let in.
void AllowExaminer(const Process& process) noexcept;

// A connection was made, or used for the first time. Where the process is to wait for an examiner
// at its end (Settings::hold_at_exit_ms), registers the handler that waits, up to a bound: exit
// handlers and destructors run in the reverse order of their registration, and the memory is to be
// seen before the destructor of an object that was there already takes it apart.
void WatchHolders(const Process& process) noexcept;

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_EXIT_H_
