// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_UNSEEN_H_
#define PQLEASH_REPORTER_COMMANDS_UNSEEN_H_

#include <string>
#include <vector>

namespace pqleash::reporter {

// One sentence for an audit of `command` (not empty) that has no process to judge: why that may be,
// as far as the program's file tells, and what to do. Not escaped.
std::string WhyNothingWasSeen(const std::vector<std::string>& command);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_UNSEEN_H_
