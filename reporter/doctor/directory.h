// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_DOCTOR_DIRECTORY_H_
#define PQLEASH_REPORTER_DOCTOR_DIRECTORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/doctor/check.h"

namespace pqleash::reporter {

// The directory of the ledgers, and what is in it.
struct LedgerDirectory {
  std::string path;
  std::string problem;  // why no ledger can be written there; empty: it can
  std::string notice;   // that the usual one is somebody else's; empty: it is not
  bool exists = false;
  std::optional<uint64_t> free_bytes;  // of its file system, for this user
  uint64_t living = 0;                 // ledgers
  uint64_t dead = 0;
  std::vector<std::string> unreadable;  // a sentence each
};

// `configured`: PQLEASH_DIR or --dir; empty: the default.
LedgerDirectory LookAtDirectory(const std::string& configured);

// Pure.
std::vector<Check> Judge(const LedgerDirectory& directory);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_DOCTOR_DIRECTORY_H_
