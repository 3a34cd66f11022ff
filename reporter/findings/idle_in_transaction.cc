// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "reporter/findings/detector.h"
#include "reporter/findings/idiom.h"
#include "reporter/findings/last_taken.h"
#include "reporter/findings/service.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

// Of one call site.
struct Inside {
  uint64_t open = 0;
  uint64_t idle = 0;       // free to be used
  uint64_t stuck = 0;      // for all_stuck_idle_ns
  uint64_t thinking = 0;   // for most_stuck_idle_ns
  uint64_t lasting = 0;    // in a transaction that is old, and paused in it now
  uint64_t paused_ns = 0;  // sum over those that are paused in one
};

// Paused in a transaction that began long ago, however often it is touched: it holds its locks and
// vacuum back for as long. A long transaction that works all the time is hardly ever seen paused.
bool IsLasting(const Snapshot& snapshot, const Connection& connection,
               const Thresholds& thresholds) {
  return IsStuck(snapshot, connection, kSecond) &&
         InUseNs(connection, snapshot.as_of_ns) >= thresholds.transaction_idle_ns;
}

Inside InsideOf(const Observation& observation, const CallSiteGroup& group) {
  const Thresholds& thresholds = observation.thresholds;
  Inside inside;
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    if (!IsOpen(connection)) continue;
    ++inside.open;
    inside.idle += connection.busy_since_ns == 0 && !IsIdleInside(connection.transaction) &&
                   connection.in_call.empty();
    inside.stuck += IsStuck(snapshot, connection, thresholds.all_stuck_idle_ns);
    inside.thinking += IsStuck(snapshot, connection, thresholds.most_stuck_idle_ns);
    inside.lasting += IsLasting(snapshot, connection, thresholds);
    if (IsStuck(snapshot, connection, 0)) inside.paused_ns += IdleNs(connection, snapshot.as_of_ns);
  }
  return inside;
}

// How long a connection of the place may be paused inside of a transaction. Where every connection
// is stuck, whoever needs one waits in vain, and a full minute is not waited for to say so; nor
// where most are and none is free.
uint64_t AllowedNs(const Inside& inside, const Thresholds& thresholds) {
  if (inside.open < thresholds.all_stuck) return thresholds.transaction_idle_ns;
  if (inside.idle == 0 && 2 * inside.thinking > inside.open)
    return std::min(thresholds.most_stuck_idle_ns, thresholds.transaction_idle_ns);
  // The same by how long they are paused on average: at any moment some have just gone on.
  if (inside.idle == 0 && inside.paused_ns >= inside.open * thresholds.most_stuck_idle_ns)
    return std::min(kSecond, thresholds.transaction_idle_ns);
  if (inside.stuck == inside.open)
    return std::min(thresholds.all_stuck_idle_ns, thresholds.transaction_idle_ns);
  return thresholds.transaction_idle_ns;
}

}  // namespace

// A transaction that nobody works in keeps its locks, and keeps vacuum from removing rows anywhere
// in the database.
std::vector<Finding> FindIdleInTransaction(const Observation& observation) {
  std::vector<Finding> findings;
  const Thresholds& thresholds = observation.thresholds;
  for (const CallSiteGroup& group : observation.call_sites) {
    const Inside inside = InsideOf(observation, group);
    const bool all = inside.stuck == inside.open && inside.open >= thresholds.all_stuck;
    const uint64_t threshold = AllowedNs(inside, thresholds);
    const bool lasting = inside.lasting >= thresholds.all_stuck;
    uint64_t failed = 0;
    uint64_t longest_inside_ns = 0;
    std::set<const Connection*> inside_ones;
    const Picked picked =
        Pick(observation, group, [&](const Snapshot& snapshot, const Connection& connection) {
          const bool idle = IsStuck(snapshot, connection, threshold) ||
                            (lasting && IsLasting(snapshot, connection, thresholds));
          failed += idle && connection.transaction == Transaction::kFailed;
          if (idle) inside_ones.insert(&connection);
          if (idle)
            longest_inside_ns = std::max(longest_inside_ns, InUseNs(connection, snapshot.as_of_ns));
          return idle;
        });
    if (picked.count == 0) continue;
    const LastTakenBy taken = LastTakenOf(observation, group, [&](const GroupedConnection& place) {
      return inside_ones.contains(
          &observation.snapshots[place.snapshot].connections[place.connection]);
    });
    Finding finding;
    finding.confidence = Confidence::kProven;
    finding.summary =
        fmt::format("{} {}{} unused for up to {} inside of a transaction",
                    Count(picked.count, "connection"), OpenedBy(observation, group),
                    taken ? TakenClause(taken) : ",", HumanDuration(picked.longest_idle_ns));
    if (longest_inside_ns > picked.longest_idle_ns + kSecond)
      finding.summary += fmt::format(" that began up to {} ago", HumanDuration(longest_inside_ns));
    finding.call_site = group.id;
    finding.evidence = {
        InConnections("idle_in_transaction", picked.count),
        InConnections("of_these_failed", failed), InSeconds("longest_idle", picked.longest_idle_ns),
        InSeconds("longest_transaction", longest_inside_ns), InSeconds("threshold", threshold)};
    finding.advice = fmt::format(
        "find the path after this connect that begins a transaction and neither commits nor rolls "
        "back (an early return, an exception, a wait for something else): {}; until it is fixed, "
        "idle_in_transaction_session_timeout on the server ends such sessions",
        IdiomOf(group).transaction);
    finding.connections = picked.count;
    if (all) {
      finding.answer = {
          Answer::Verdict::kLeak,
          fmt::format("Leak, not a small limit: all {} {} are in transactions, untouched for up "
                      "to {}, never given back",
                      Count(picked.count, "connection"),
                      TakenOr(taken, OpenedBy(observation, group)),
                      HumanDuration(picked.longest_idle_ns))};
    }
    AddLastTaken(observation, taken, &finding);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
