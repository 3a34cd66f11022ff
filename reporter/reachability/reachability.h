// SPDX-License-Identifier: Apache-2.0
//
// Whether the program can still get at a connection that it has open, as plain values.

#ifndef PQLEASH_REPORTER_REACHABILITY_REACHABILITY_H_
#define PQLEASH_REPORTER_REACHABILITY_REACHABILITY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

enum class Reach {
  kNotLookedAt,  // nothing of the process was
  kNotJudged,    // in a call, connecting, inherited, or used while it was looked for
  kHeld,         // a reference was found: `where`
  kOwnerLost,    // only objects on the heap hold it that nothing leads to: `where` is one of them
  kLostLikely,   // none was found, but not everything could be looked at: `missing`
  kLostProven,   // none was found, and nothing was left out
};

// 'held', 'lost' or 'unknown'.
std::string_view NameOf(Reach reach);

struct ConnectionReach {
  Reach reach = Reach::kNotLookedAt;
  std::string where;    // 'global pool+0x10 (/usr/bin/service)'; not escaped
  std::string missing;  // what could not be looked at; one clause without a full stop
};

// Of one process.
struct Reachability {
  // As Snapshot::connections; empty: the process was not looked at.
  std::vector<ConnectionReach> connections;
  uint64_t bytes = 0;  // of memory, in one pass
  uint64_t passes = 0;
  uint64_t bytes_read = 0;  // in all passes
  uint64_t ns = 0;          // that all passes took
};

// That of connection `index`; nothing is known where nothing was looked at.
inline const ConnectionReach& ReachOf(const Reachability& reachability, size_t index) {
  static const ConnectionReach none;
  return index < reachability.connections.size() ? reachability.connections[index] : none;
}

inline bool IsLost(const ConnectionReach& reach) {
  return reach.reach == Reach::kLostLikely || reach.reach == Reach::kLostProven;
}

// It can neither be used nor closed any more: it is lost, or all its owners are.
inline bool IsOutOfReach(const ConnectionReach& reach) {
  return IsLost(reach) || reach.reach == Reach::kOwnerLost;
}

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_REACHABILITY_H_
