// SPDX-License-Identifier: Apache-2.0
//
// Connections that a process had not closed when it ended, or had left to its interpreter to close
// in its own shutdown. `report` does not judge these, since a
// service that is restarted closes nothing; `audit` does, since a test that ends has let go of what
// it opened. Pure. Each connection is in one finding at most; those that were lost are in a
// lost-handle.

#ifndef PQLEASH_REPORTER_FINDINGS_OPEN_AT_EXIT_H_
#define PQLEASH_REPORTER_FINDINGS_OPEN_AT_EXIT_H_

#include <string>
#include <vector>

#include "reporter/findings/detector.h"

namespace pqleash::reporter {

struct AtExit {
  // Of processes that did not come to exit() (they were killed, crashed, left with _exit(), are of
  // Go) judge the connections that were in use, too; the idle ones are judged in any case.
  bool judge_killed = false;
};

// Kind idle-in-transaction, likely: neither committed nor rolled back.
std::vector<Finding> FindInTransactionAtExit(const Observation& observation, const AtExit& at_exit);

// Kind leak-suspect, likely: the others.
std::vector<Finding> FindOpenAtExit(const Observation& observation, const AtExit& at_exit);

// What is not judged, a sentence for each call site: connections that were in use when their
// processes ended without exit(). Not escaped.
std::vector<std::string> NotJudgedAtExit(const Observation& observation, const AtExit& at_exit);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_OPEN_AT_EXIT_H_
