// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "reporter/findings/detector.h"
#include "reporter/findings/idiom.h"
#include "reporter/findings/last_taken.h"
#include "reporter/findings/lines.h"

namespace pqleash::reporter {
namespace {

// Of one call site and confidence.
struct Lost {
  Picked picked;
  std::set<size_t> snapshots;
  std::set<std::string> services;
  uint64_t bytes = 0;
  uint64_t passes = 0;  // the fewest
  std::string missing;
};

Lost LostOf(const Observation& observation, const CallSiteGroup& group, Reach reach) {
  Lost lost;
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    // Others hold no slot of the server, and have findings of their own.
    if (connection.state != ConnectionState::kEstablished) continue;
    const ConnectionReach& found = ReachAt(observation, place);
    if (found.reach != reach) continue;
    Picked& picked = lost.picked;
    ++picked.count;
    picked.longest_idle_ns =
        std::max(picked.longest_idle_ns, IdleNs(connection, snapshot.as_of_ns));
    picked.oldest_age_ns = std::max(picked.oldest_age_ns, AgeNs(connection, snapshot.as_of_ns));
    if (lost.missing.empty()) lost.missing = found.missing;
    if (!lost.snapshots.insert(place.snapshot).second) continue;
    lost.services.insert(snapshot.process.service);
    const Reachability& reachability = observation.reachability[place.snapshot];
    lost.bytes += reachability.bytes;
    lost.passes =
        lost.passes == 0 ? reachability.passes : std::min(lost.passes, reachability.passes);
  }
  return lost;
}

Finding ToFinding(const Observation& observation, const FaultyLine& line, Reach reach,
                  const Lost& lost) {
  const CallSiteGroup& group = line.sum;
  const std::string opened_by = OpenedBy(observation, line.sites);
  const uint64_t count = lost.picked.count;
  const bool proven = reach == Reach::kLostProven;
  const LastTakenBy taken = LastTakenOf(observation, group, [&](const GroupedConnection& place) {
    return observation.snapshots[place.snapshot].connections[place.connection].state ==
               ConnectionState::kEstablished &&
           ReachAt(observation, place).reach == reach;
  });
  std::string clause = TakenClause(taken);
  if (!clause.empty()) clause.pop_back();
  Finding finding;
  finding.confidence = proven ? Confidence::kProven : Confidence::kLikely;
  finding.summary = fmt::format(
      "{} {}{}: nothing in the {} leads to {} any more, so that {} can neither be used nor closed",
      Count(count, "connection"), opened_by, clause,
      lost.snapshots.size() == 1 ? "process" : "processes", count == 1 ? "it" : "them",
      count == 1 ? "it" : "they");
  if (!proven) finding.summary += fmt::format("; likely only, since {}", lost.missing);
  SetSites(line, &finding);
  finding.evidence = {InConnections("lost", count),
                      {"references", 0, ""},
                      {"passes_over_memory", static_cast<double>(lost.passes), ""},
                      {"megabytes_searched", static_cast<double>(lost.bytes / 100'000) / 10, "MB"},
                      InSeconds("longest_idle", lost.picked.longest_idle_ns),
                      InSeconds("oldest", lost.picked.oldest_age_ns)};
  const Idiom idiom = IdiomOf(group);
  finding.advice = fmt::format(
      "find the path on which the last variable that holds the connection opened here is "
      "overwritten or goes out of scope before it is closed ({}): an early return, an exception, a "
      "second connect into the same variable, a container that is emptied; {}",
      idiom.close, idiom.scope);
  finding.connections = count;
  finding.answer = {Answer::Verdict::kLeak,
                    fmt::format("Leak, not a small limit: nothing in {} leads to {} any more, {}",
                                lost.services.size() == 1 ? *lost.services.begin()
                                                          : Count(lost.services.size(), "service"),
                                Count(count, "connection"), TakenOr(taken, opened_by))};
  AddLastTaken(observation, taken, &finding);
  return finding;
}

}  // namespace

// No reference to the PGconn is left in the process: a leak that needs no waiting to be one.
std::vector<Finding> FindLostHandles(const Observation& observation) {
  std::vector<Finding> findings;
  for (const Reach reach : {Reach::kLostProven, Reach::kLostLikely}) {
    const auto lines = FaultyLines(observation, [&](const CallSiteGroup& group) {
      return LostOf(observation, group, reach).picked.count != 0;
    });
    for (const FaultyLine& line : lines)
      findings.push_back(ToFinding(observation, line, reach, LostOf(observation, line.sum, reach)));
  }
  return findings;
}

}  // namespace pqleash::reporter
