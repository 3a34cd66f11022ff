// SPDX-License-Identifier: Apache-2.0
//
// Interned strings in the ledger: one copy of each.

#ifndef PQLEASH_SHIM_LEDGER_STRING_HEAP_H_
#define PQLEASH_SHIM_LEDGER_STRING_HEAP_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "shim/ledger/ledger.h"

namespace pqleash::ledger {

// Thread-safe; finding a string that is there takes no lock. All zero bytes is an empty heap's
// table.
class StringHeap {
 public:
  // `entries`: zeroed memory for `entry_count` (a power of two) words, at least twice the strings
  // that may come.
  void Use(Ledger* ledger, std::atomic<uint64_t>* entries, uint32_t entry_count);

  // Reference of `text`, cut at kMaxStringSize; 0 for empty text, and for text that found no room,
  // which is counted.
  StringRef Intern(std::string_view text);
  // Reference of `text` if it is there; 0 otherwise.
  StringRef Find(std::string_view text) const;

  std::string_view Get(StringRef reference) const;

 private:
  // The reference, if it is known; `*vacant` is where it would go.
  StringRef Find(std::string_view text, uint64_t hash, uint32_t* vacant) const;
  StringRef Append(std::string_view text);

  Ledger* ledger_;
  std::atomic<uint64_t>* entries_;  // upper half of the hash, then the reference
  uint32_t entry_count_;
  uint32_t used_entries_;  // guarded by lock_
  BoundedLock lock_;
};

}  // namespace pqleash::ledger

#endif  // PQLEASH_SHIM_LEDGER_STRING_HEAP_H_
