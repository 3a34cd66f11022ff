// SPDX-License-Identifier: Apache-2.0
//
// Changing one cap or pace on the board that it is on. Says nothing itself: a command prints what
// came of it, and `top` shows it on its screen.

#ifndef PQLEASH_REPORTER_CAPS_POLICY_CHANGE_H_
#define PQLEASH_REPORTER_CAPS_POLICY_CHANGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/caps/caps_board.h"
#include "reporter/caps/policy_options.h"
#include "shim/caps/board.h"
#include "shim/caps/policy.h"

namespace pqleash::reporter {

// A policy that a command is about. Both are the caller's.
struct ChangeTarget {
  const SharedBoard* board;
  const BoardPolicy* policy;
};

// Those called `name` (empty: all) of `service` (empty: of any). They point into `collected`.
std::vector<ChangeTarget> Targets(const CollectedBoards& collected, const std::string& name,
                                  const std::string& service);

// Changes what `given` names in the rule of the target, from its processes' next connect on; or
// takes such changes back. `pid` is who is named as having done it.
Said SetOne(const ChangeTarget& target, const PolicyOptions& given, int32_t pid);
Said ResetOne(const ChangeTarget& target, int32_t pid);

// The same for the limit of a cap, found anew: `board` is the path of the board that it is on;
// `directory` is as of CollectBoards; `service` is empty for a cap of the user.
Said SetLimit(const std::string& directory, const std::string& board, const std::string& name,
              const std::string& service, const std::string& limit);

// Usage of `command` is wrong: kUsage, and `sentence` with where to read on.
Said WrongUsage(std::string_view command, const std::string& sentence);
// The board in `directory` cannot be locked: kFailed.
Said Locked(const std::string& directory);

// One sentence: there is no policy called `name` (of `service`, if not empty), and which of `names`
// may have been meant. Not escaped.
std::string NotFound(const std::string& name, const std::string& service,
                     const std::vector<std::string>& names);

// The number of the policy of that name and service; no value: it is not there.
std::optional<uint32_t> FindPolicy(const caps::Board& board, const std::string& name,
                                   const std::string& service);

// 'billing (service shop)'. Escaped.
std::string PolicyTitle(const std::string& name, const std::string& service);

// What a policy means once `rule` holds, with `use` connections of its (of scope process: of the
// process that has most; 0: not known) and `waiting` connects.
std::string Consequence(const caps::Policy& policy, const caps::Rule& rule, uint64_t use,
                        uint64_t waiting);

// Indented, one line: what the policy means from now on.
std::string ConsequenceLine(const caps::Board& board, uint32_t number);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CAPS_POLICY_CHANGE_H_
