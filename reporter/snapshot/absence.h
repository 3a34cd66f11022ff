// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SNAPSHOT_ABSENCE_H_
#define PQLEASH_REPORTER_SNAPSHOT_ABSENCE_H_

#include <cstdint>
#include <string>

namespace pqleash::reporter {

// One sentence: why process `pid` has no ledger, as far as `proc` (normally /proc) tells, and what
// to do. Not escaped.
std::string WhyNoLedger(int32_t pid, const std::string& proc = "/proc");

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_ABSENCE_H_
