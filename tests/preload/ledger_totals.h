// SPDX-License-Identifier: Apache-2.0
//
// The totals of all ledgers in a directory, read by the header alone: a second reading beside that
// of `pqleash`.

#ifndef PQLEASH_TESTS_PRELOAD_LEDGER_TOTALS_H_
#define PQLEASH_TESTS_PRELOAD_LEDGER_TOTALS_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pqleash::testing {

struct LedgerTotals {
  int ledgers = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
  uint64_t open = 0;
  uint64_t unrecorded = 0;  // connects that had no room
  // One sentence for each thing in the directory that should not be there, or is not as LEDGER.md
  // has it.
  std::vector<std::string> faults;
};

// A directory that does not exist has no ledgers.
LedgerTotals ReadLedgerTotals(const std::filesystem::path& directory);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_PRELOAD_LEDGER_TOTALS_H_
