// SPDX-License-Identifier: Apache-2.0
//
// Looks for the addresses of a living process's connections in all that it could still get them
// from: its memory, its registers, and what the kernel keeps for it. From outside, and without
// stopping it, but for the moment in which registers are read, where there is a connection without
// a reference.
//
// Every doubt is to the connection's favour: what looks like a reference is one, and no connection
// is called lost that was used meanwhile. What cannot be found: an address that the program keeps
// masked (mixed with another number), in parts, in a file, in bytes that wait in a pipe or socket,
// or in another process.

#ifndef PQLEASH_REPORTER_REACHABILITY_SCAN_H_
#define PQLEASH_REPORTER_REACHABILITY_SCAN_H_

#include <chrono>
#include <string>
#include <vector>

#include "reporter/reachability/reachability.h"
#include "reporter/snapshot/snapshot.h"
#include "reporter/symbols/symboliser.h"
#include "reporter/words/progress.h"

namespace pqleash::reporter {

struct ScanResult {
  Reachability reachability;
  std::vector<std::string> incomplete;  // a sentence each: what could not be done
};

struct ScanOptions {
  std::chrono::nanoseconds time = std::chrono::seconds(5);  // at most
  // Stops also threads in system calls that then begin anew, and their time-outs with them.
  bool all_registers = false;
  // Also looks for connections whose only holders are lost themselves, of those that were not used
  // for so long.
  bool lost_owners = true;
  std::chrono::nanoseconds owner_idle = std::chrono::seconds(10);
  // Is told of the bytes of each pass over the memory.
  Progress progress;
};

// Of a snapshot whose process lives: process.visible_pid is set.
ScanResult ScanProcess(const Snapshot& snapshot, const ScanOptions& options,
                       Symboliser* symboliser);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_SCAN_H_
