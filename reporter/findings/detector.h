// SPDX-License-Identifier: Apache-2.0
//
// The shape of every detector: a pure function of what was observed.

#ifndef PQLEASH_REPORTER_FINDINGS_DETECTOR_H_
#define PQLEASH_REPORTER_FINDINGS_DETECTOR_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/duration.h"
#include "reporter/findings/finding.h"
#include "reporter/reachability/reachability.h"
#include "reporter/report/caps_report.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

struct Thresholds {
  uint64_t min_age_ns = 30 * kSecond;      // younger connections are not judged
  uint64_t min_idle_ns = 5 * kMinute;      // unused for less than this is in use
  uint64_t transaction_idle_ns = kMinute;  // the same inside of a transaction
};

struct Observation {
  const std::vector<Snapshot>& snapshots;
  const std::vector<CallSiteGroup>& call_sites;
  Thresholds thresholds;
  std::vector<std::string> library_paths = {};  // globs of the user's: see HeadlineFrame
  // As `snapshots`; may be shorter: the others' memory was not looked at.
  std::span<const Reachability> reachability = {};
  std::vector<CapsPolicy> caps = {};  // that hold for the processes
};

// Of the connection at `place`.
inline const ConnectionReach& ReachAt(const Observation& observation,
                                      const GroupedConnection& place) {
  static const ConnectionReach none;
  return place.snapshot < observation.reachability.size()
             ? ReachOf(observation.reachability[place.snapshot], place.connection)
             : none;
}

// One kind of finding.
struct DetectorEntry {
  std::string_view kind;
  std::vector<Finding> (*find)(const Observation&);
};

// All detectors, the most harmful kind first. A finding's kind is that of its detector.
std::span<const DetectorEntry> Detectors();

// Every finding, by kind in that order; of one kind proven before likely, then by the number of
// connections.
std::vector<Finding> FindAll(const Observation& observation);

std::vector<Finding> FindCapHits(const Observation& observation);
std::vector<Finding> FindForkShared(const Observation& observation);
std::vector<Finding> FindIdleInTransaction(const Observation& observation);
std::vector<Finding> FindLeakSuspects(const Observation& observation);
std::vector<Finding> FindLostHandles(const Observation& observation);
std::vector<Finding> FindServerClosed(const Observation& observation);
std::vector<Finding> FindUnfinishedFailedConnects(const Observation& observation);
std::vector<Finding> FindNeverUsed(const Observation& observation);

// What detectors share.

// The connections of one call site that a predicate picks, in numbers.
struct Picked {
  uint64_t count = 0;
  uint64_t longest_idle_ns = 0;
  uint64_t oldest_age_ns = 0;
};
using Predicate = std::function<bool(const Snapshot&, const Connection&)>;
Picked Pick(const Observation& observation, const CallSiteGroup& group, const Predicate& predicate);

// 'opened by function (file:line)', or a description in words where there is no stack.
std::string OpenedBy(const Observation& observation, const CallSiteGroup& group);

// '1 connection', '2 connections'.
std::string Count(uint64_t count, std::string_view noun);

Evidence InConnections(std::string_view name, uint64_t count);
Evidence InSeconds(std::string_view name, uint64_t ns);

// Whether exit() was called: nothing will be finished any more.
inline bool HasEnded(const Snapshot& snapshot) { return snapshot.process.life == Life::kEnded; }

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_DETECTOR_H_
