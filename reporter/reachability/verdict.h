// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_REACHABILITY_VERDICT_H_
#define PQLEASH_REPORTER_REACHABILITY_VERDICT_H_

#include <cstdint>
#include <string>

namespace pqleash::reporter {

enum class Reach {
  kUnknown,
  kHeld,  // a reference to it was seen
  kLost,  // there was none: nothing in the process could have closed it any more
};

// Whether a process still had a way to one of its connections when it was looked at.
struct HandleVerdict {
  std::string ledger;   // path, as in Process::ledger
  uint64_t handle = 0;  // as in Connection::handle
  Reach reach = Reach::kUnknown;
  std::string where;  // of kHeld: 'global pool of orders', not escaped; empty: not known
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_VERDICT_H_
