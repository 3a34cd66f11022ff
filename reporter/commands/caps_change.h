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

// One sentence: there is no policy called `name` (of `service`, if not empty), and which of `names`
// may have been meant. Not escaped.
std::string NotFound(const std::string& name, const std::string& service,
                     const std::vector<std::string>& names);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_CAPS_CHANGE_H_
