// SPDX-License-Identifier: Apache-2.0
//
// `pqleash caps set`, `add` and `reset`: changes that running processes see at their next connect.
// Each takes the arguments after its name and returns the exit code.

#ifndef PQLEASH_REPORTER_COMMANDS_CAPS_CHANGE_H_
#define PQLEASH_REPORTER_COMMANDS_CAPS_CHANGE_H_

#include <string>
#include <vector>

namespace pqleash::reporter {

int RunCapsSet(const std::vector<std::string>& arguments);
int RunCapsAdd(const std::vector<std::string>& arguments);
int RunCapsReset(const std::vector<std::string>& arguments);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_CAPS_CHANGE_H_
