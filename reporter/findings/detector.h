// SPDX-License-Identifier: Apache-2.0
//
// The shape of every detector: a pure function of what was observed.

#ifndef PQLEASH_REPORTER_FINDINGS_DETECTOR_H_
#define PQLEASH_REPORTER_FINDINGS_DETECTOR_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/caps/caps_report.h"
#include "reporter/findings/finding.h"
#include "reporter/reachability/reachability.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/snapshot.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {

// Where a fault begins. The numbers are set so that a cause shows within 30 s of its onset (the
// history's periods of 10 s allow for two whole ones by then), and that pools, listeners, bursts
// and servers that warm up stay free; findings_test.cc has both sides of each.
struct Thresholds {
  uint64_t min_age_ns = 30 * kSecond;      // younger connections are not judged
  uint64_t min_idle_ns = 5 * kMinute;      // unused for less than this is in use
  uint64_t transaction_idle_ns = kMinute;  // the same inside of a transaction
  // The same where every connection of a place is so: nobody can work there any more.
  uint64_t all_stuck_idle_ns = 10 * kSecond;
  uint64_t all_stuck = 3;
  // And where most are, and none is free.
  uint64_t most_stuck_idle_ns = 5 * kSecond;
  // A reserve that nobody has needed for less than this is one. A pool opens its reserve in advance
  // and may need it at noon.
  uint64_t never_used_age_ns = 5 * kMinute;

  // A leak: left_behind.h. 30 s: longer than a program holds a connection between two commands.
  uint64_t left_for_good_ns = 30 * kSecond;
  uint64_t left_moments = 3;       // seconds in which they were opened: again and again
  uint64_t fill_ns = 5 * kSecond;  // what a process opens in its first seconds fills its pools
  uint64_t taken_up_again = 5;     // uses of a connection whose program gives it back
  uint64_t closed_to_know = 10;    // before that there is no 'usually'
  uint64_t returned_to_know = 3;   // the same of connections that came back
  uint64_t dropped_times = 8;      // so many open for each that is at work
  uint64_t outlives_times = 20;    // the usual life
  // The same while it grows. 10 s: longer than a program holds a connection between two commands as
  // a rule; 30 s: what has not grown since then has stopped.
  uint64_t left_behind_idle_ns = 10 * kSecond;
  uint64_t growth_recent_ns = 30 * kSecond;
  uint64_t growth_span_ns = 10 * kSecond;  // a pool that fills itself is done in less
  // The same where it was opened with pauses of at least this: who fills a pool opens the next as
  // soon as it has one.
  uint64_t growth_span_with_pauses_ns = 5 * kSecond;
  uint64_t pause_ns = 100 * kMillisecond;
  uint64_t growth_moments = 4;  // a second apart each: again and again
  uint64_t left_behind = 4;
  // Each opened by another thread: they may belong to their threads, of which there are a few.
  uint64_t left_behind_of_threads = 16;
  uint64_t left_behind_never_used = 10;  // most without a command: may be a pool's reserve

  // Too many: four times what was ever in use at once, and 16 beyond that, one in six of the
  // server's default max_connections (100). Where the server is full, any that could be spared
  // count: twice, and 4 beyond.
  uint64_t surplus_times = 4;
  uint64_t surplus = 16;
  uint64_t full_surplus_times = 2;
  uint64_t full_surplus = 4;
  uint64_t settled_ns = 15 * kSecond;  // since its latest connect a place holds what it wants to

  // Saturated: nearly all the time is spent inside of uses. Of a queue in front of servers the wait
  // explodes from about 80 % on; 90 % leaves room for what is measured at the edges.
  double saturated_share = 0.9;
  // Where connections go from thread to thread: what part of their turns had been waited for.
  double handed_over_share = 0.5;
  // The same where all are taken nearly all the time: who has waited for something else inside of a
  // use (a lock) does not take over at once. Well above what chance does (0.15).
  double handed_over_share_taken = 0.25;
  uint64_t saturated_connections = 2;  // one alone is a worker with its own connection
  uint64_t uses_per_connection = 2;    // in the window: fewer are long transactions
  uint64_t at_cap_ns = 20 * kSecond;   // a cap's queue that has not been empty for so long

  // A spike: three times the lower quartile of the earlier history, in two of the last three
  // periods. A pool that is full now, and was half empty before, can show no more than its size:
  // from 60 % to all of it is 1.7 times, and half as much again is enough of that.
  uint64_t spike_times = 3;
  double spike_times_full = 1.5;
  double spike_used_before = 0.6;
  uint64_t spike_uses = 20;   // a period at least
  uint64_t spike_opens = 10;  // a period at least

  // Churn: a connect a second that lasts no longer than a request does.
  uint64_t churn_opens = 10;  // a period at least
  uint64_t churn_life_ns = 5 * kSecond;
  // The same of processes that do one piece of work each and end.
  uint64_t jobs = 8;
  uint64_t job_connects = 2;  // of one process at most
  uint64_t jobs_span_ns = 5 * kSecond;

  // The server takes longer for the same work: twice as long as in the program's lowest periods.
  uint64_t slow_use_times = 2;
  uint64_t slow_use_ns = 50 * kMillisecond;  // quicker than this is no wait

  // Connects that fail: in each of two whole periods, as many as this and as those that succeed.
  uint64_t failing_connects = 3;

  // So many broken ones of a place are a pool's that takes them back; it has put them down for so
  // long.
  uint64_t broken_pool = 3;
  uint64_t broken_pool_ns = 20 * kSecond;

  uint64_t young_ns = 10 * kMinute;  // a process that a deploy has started
};

struct Observation {
  const std::vector<Snapshot>& snapshots;
  const std::vector<CallSiteGroup>& call_sites;
  Thresholds thresholds;
  std::vector<std::string> library_paths = {};  // globs of the user's: see HeadlineFrame
  // As `snapshots`; may be shorter: the others' memory was not looked at.
  std::span<const Reachability> reachability = {};
  std::vector<CapsPolicy> caps = {};  // that hold for the processes
  uint64_t realtime_ns = 0;  // of the observation; 0: not known, so that nothing is 'lately'
  // What LeakSites() says, where it is known already: several detectors ask.
  std::optional<std::set<uint64_t>> leak_sites = {};
  // Findings are told apart by the functions of their stacks (lines.h): suppressions and baselines
  // of an audit go by these.
  bool by_functions = false;
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

// Every finding, the cause before its consequences:
//  1. what breaks the work of another process (fork-shared);
//  2. what takes from others, or from the program itself, the connections that they need now
//     (lost-handle, lost-owner, idle-in-transaction, leak-suspect, demand-spike, saturated; while
//     the server is full over-provisioned, and connection-churn with 16 or more at once): by the
//     order of magnitude of the number of connections (1 to 3, 4 to 15, 16 to 63, …), so that
//     ninety that leak come before one that is stuck; then by kind; While the server is full, those
//     of 2 that are about less than a quarter of the connections that are known come after
//     server-full: they have not filled it;
//  3. what these lead to (server-full), then whatever costs without hurting yet, by kind.
// Of one kind proven before likely, then by the number of connections.
std::vector<Finding> FindAll(const Observation& observation);

std::vector<Finding> FindCapHits(const Observation& observation);
std::vector<Finding> FindConnectFailures(const Observation& observation);
std::vector<Finding> FindConnectionChurn(const Observation& observation);
std::vector<Finding> FindDemandSpikes(const Observation& observation);
std::vector<Finding> FindForkShared(const Observation& observation);
std::vector<Finding> FindIdleInTransaction(const Observation& observation);
std::vector<Finding> FindLeakSuspects(const Observation& observation);
std::vector<Finding> FindLockWaits(const Observation& observation);
std::vector<Finding> FindLostHandles(const Observation& observation);
std::vector<Finding> FindLostOwners(const Observation& observation);
std::vector<Finding> FindServerClosed(const Observation& observation);
std::vector<Finding> FindUnfinishedFailedConnects(const Observation& observation);
std::vector<Finding> FindNeverUsed(const Observation& observation);
std::vector<Finding> FindOverProvisioned(const Observation& observation);
std::vector<Finding> FindRoleLimits(const Observation& observation);
std::vector<Finding> FindSaturated(const Observation& observation);
std::vector<Finding> FindServerFull(const Observation& observation);

// The call sites that findings are about: what one detector has found, another leaves alone.
std::set<uint64_t> SitesOf(const std::vector<Finding>& findings);

// Those of leaks, suspected or proven.
std::set<uint64_t> LeakSites(const Observation& observation);

// One defect, one finding: where some of a place's connections are known to be lost, the others of
// it that are suspected to leak are counted with these. Takes kinds leak-suspect, lost-handle and
// lost-owner.
void FoldLeaks(std::vector<Finding>* findings);

// What detectors share.

// The connections of one call site that a predicate picks, in numbers.
struct Picked {
  uint64_t count = 0;
  uint64_t lost = 0;  // of these, that can neither be used nor closed any more
  uint64_t longest_idle_ns = 0;
  uint64_t oldest_age_ns = 0;
};
using Predicate = std::function<bool(const Snapshot&, const Connection&)>;
Picked Pick(const Observation& observation, const CallSiteGroup& group, const Predicate& predicate);

// Connections, of whatever state, that their processes can neither use nor close any more.
std::set<const Connection*> LostOnes(const Observation& observation);

// 'function (file:line)', or a description in words where there is no stack.
std::string PlaceName(const Observation& observation, const CallSiteGroup& group);

// 'opened by function (file:line)', or a description in words where there is no stack.
// A pool's own thread is called that, with what it connects to.
std::string OpenedBy(const Observation& observation, const CallSiteGroup& group);

// The same of several, the most important one first: 'opened by connect (db.py:7), called from 8
// places' of one line that many call, and 'opened by order (app.py:9) and 3 other places' of
// several. There is one at least.
std::string OpenedBy(const Observation& observation,
                     const std::vector<const CallSiteGroup*>& groups);

// '1 connection', '2 connections'.
std::string Count(uint64_t count, std::string_view noun);

Evidence InConnections(std::string_view name, uint64_t count);
Evidence InSeconds(std::string_view name, uint64_t ns);

// Whether exit() was called: nothing will be finished any more.
inline bool HasEnded(const Snapshot& snapshot) { return snapshot.process.life == Life::kEnded; }

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_DETECTOR_H_
