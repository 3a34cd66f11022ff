// SPDX-License-Identifier: Apache-2.0
//
// Whether a service needs a limit at all, and whether one would do while it runs. A cap holds new
// connects back and closes nothing: where connections are kept it makes the service wait for
// itself. So the question comes before any number. Pure.

#ifndef PQLEASH_REPORTER_ADVICE_SITUATION_H_
#define PQLEASH_REPORTER_ADVICE_SITUATION_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reporter/findings/demand.h"
#include "reporter/findings/detector.h"
#include "reporter/findings/exhaustion.h"
#include "reporter/findings/service.h"

namespace pqleash::reporter {

enum class Case {
  kFine,      // the server was not full for it, and nothing is wrong with its numbers
  kVictim,    // the server was full for it, and others have filled it
  kFlood,     // it filled the server with connections that come and go
  kHoard,     // it filled the server with connections that it keeps
  kFullLeak,  // it filled the server with connections that it left behind
  kLeak,      // it leaves connections behind, and the server was not full
  kQueue,     // connects wait at a cap, while the server is not full
  kTooSmall,  // its own limit is too small: all connections are taken
  kSlower,    // the same, since their uses take longer than they did
  kSurplus,   // it has far more than it ever uses at once
};

// Whether it was it that filled the server: then its limit is what it needs, and leaves room.
constexpr bool Filled(Case it) {
  return it == Case::kFlood || it == Case::kHoard || it == Case::kFullLeak;
}

struct Situation {
  Case it = Case::kFine;
  uint64_t left_behind = 0;  // connections of leaks
  std::optional<Slowness> slower;
  // What fills its pools: of the connections that are still open, those that were opened in the
  // first seconds (Thresholds::fill_ns) of their place in their process. What has been closed and
  // opened anew since is not known.
  uint64_t fill = 0;
  uint64_t kept = 0;  // open for longer than a short life (kShortLifeNs)
};

// What is known of all services, found once.
struct Neighbourhood {
  std::vector<Service> services;             // of living processes and dead ones
  std::map<uint64_t, uint64_t> left_behind;  // by call site: connections
  std::set<uint64_t> too_small;              // call sites whose pools have no more to give
  std::set<uint64_t> surplus;                // call sites that hold far too many
  uint64_t held_when_full = 0;  // the most that one of them held while the server was full
};

// `demands`: of the services that are to be judged.
Neighbourhood LookAround(const Observation& observation, const std::vector<Demand>& demands);

// `processes`: indexes of the service's snapshots, in ascending order; `waiting`: connects that
// wait at caps.
Situation SituationOf(const Observation& observation, const std::vector<size_t>& processes,
                      const Demand& demand, uint64_t waiting, const Neighbourhood& around);

// Backends on the server that nobody misses, of the service's connections: those of call sites that
// leak, or else all but the `spare` that were used last. All have been idle for kIdleNs and longer;
// the longest idle first, at most kMostBackends.
inline constexpr uint64_t kIdleNs = 30 * kSecond;
inline constexpr size_t kMostBackends = 64;
std::vector<int32_t> IdleBackends(const std::vector<size_t>& processes, const Situation& situation,
                                  uint64_t spare, const Neighbourhood& around);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ADVICE_SITUATION_H_
