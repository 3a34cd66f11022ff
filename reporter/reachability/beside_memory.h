// SPDX-License-Identifier: Apache-2.0
//
// References that a process has beside its memory: in registers, in arguments of system calls, and
// in what the kernel keeps for it.

#ifndef PQLEASH_REPORTER_REACHABILITY_BESIDE_MEMORY_H_
#define PQLEASH_REPORTER_REACHABILITY_BESIDE_MEMORY_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/process_view.h"

namespace pqleash::reporter {

// Target `target` was found: `where`, 'register of thread 17 (worker)'.
using FoundBeside = std::function<void(size_t target, const std::string& where)>;

// `targets`: in order, without overlaps, at least one. Stops the threads of the process for a
// moment (WithThreadsStopped), and looks at what their stacks hold then. Returns one clause: what
// could not be looked at; empty: nothing.
std::string LookBesideMemory(ProcessView* view, const std::vector<AddressRange>& targets,
                             bool all_registers, const FoundBeside& found);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_BESIDE_MEMORY_H_
