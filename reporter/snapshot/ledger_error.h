// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SNAPSHOT_LEDGER_ERROR_H_
#define PQLEASH_REPORTER_SNAPSHOT_LEDGER_ERROR_H_

#include <string>

namespace pqleash::reporter {

// Why a ledger, or a directory of ledgers, could not be read.
struct LedgerError {
  enum class Kind {
    kMissing,
    kNoPermission,
    kNotALedger,
    kNotYetWritten,
    kOtherVersion,
    kOtherByteOrder,
    kTruncated,
    kDamaged,
    kTooLarge,
    kReadFailed,
  };
  Kind kind = Kind::kReadFailed;
  // One sentence: file, what, where, what was expected, what to do. May hold bytes of a file name:
  // escape before showing.
  std::string sentence;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_LEDGER_ERROR_H_
