// SPDX-License-Identifier: Apache-2.0
//
// Interned targets of connections: server, database, user and application name.

#ifndef PQLEASH_SHIM_LEDGER_TARGETS_H_
#define PQLEASH_SHIM_LEDGER_TARGETS_H_

#include <atomic>
#include <cstdint>

#include "shim/ledger/record_table.h"
#include "shim/ledger/string_heap.h"

namespace pqleash::ledger {

// As libpq reports them; nullptr and "" are 'not known'.
struct TargetText {
  const char* host;
  const char* port;
  const char* dbname;
  const char* user;
  const char* application_name;
};

// Thread-safe; finding a target that is there takes no lock.
class Targets {
 public:
  // `entries`: zeroed memory for `entry_count` (a power of two) words, at least twice the section's
  // capacity.
  void Use(Ledger* ledger, StringHeap* strings, std::atomic<uint32_t>* entries,
           uint32_t entry_count);

  // Number of the target; 0 when there is no room for a new one.
  uint32_t Intern(const TargetText& text);

 private:
  StringHeap* strings_;
  RecordTable<Target, kTargets, &Header::targets_used> table_;
};

}  // namespace pqleash::ledger

#endif  // PQLEASH_SHIM_LEDGER_TARGETS_H_
