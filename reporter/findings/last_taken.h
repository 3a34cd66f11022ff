// SPDX-License-Identifier: Apache-2.0
//
// Who took connections last: of a pool's connections the line that opened them says nothing about
// who keeps them. LINES.md, 'The line that keeps a connection', has the rule.

#ifndef PQLEASH_REPORTER_FINDINGS_LAST_TAKEN_H_
#define PQLEASH_REPORTER_FINDINGS_LAST_TAKEN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "reporter/findings/detector.h"

namespace pqleash::reporter {

// The line at which the most of some connections were last taken up.
struct LastTakenBy {
  const CallSiteGroup* place = nullptr;  // one of that line; nullptr: not told, see below
  std::string line;                      // 'order (handlers.py:42)', with a caller where one tells
  uint64_t connections = 0;              // taken there
  uint64_t known = 0;                    // of which it is known where they were taken
  uint64_t all = 0;

  explicit operator bool() const { return place != nullptr; }
};

// Told where it is known of half of them at least, is another function than the one that opened
// them as a rule, and a third of these agree; or, without callers, more than half. Pure; `place`
// lies in `observation`.
LastTakenBy LastTakenOf(const Observation& observation,
                        const std::vector<GroupedConnection>& connections);
// The same of those of a group.
LastTakenBy LastTakenOf(const Observation& observation, const CallSiteGroup& group,
                        const std::function<bool(const GroupedConnection&)>& is_meant);

// ', last taken by order (handlers.py:42),' or ', 7 of 9 last taken by …,' to stand within a
// sentence; empty where it is not told.
std::string TakenClause(const LastTakenBy& taken);

// 'last taken by order (handlers.py:42)'; where it is not told, `opened`.
std::string TakenOr(const LastTakenBy& taken, std::string opened);

// Says it in the finding: as stacks, and in Finding::last_taken. Nothing where it is not told.
void AddLastTaken(const Observation& observation, const LastTakenBy& taken, Finding* finding);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_LAST_TAKEN_H_
