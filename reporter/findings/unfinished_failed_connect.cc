// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <set>
#include <string>

#include "reporter/findings/detector.h"
#include "reporter/findings/idiom.h"
#include "reporter/findings/lines.h"

namespace pqleash::reporter {
namespace {

// Failed handles of the place that the program can still get at.
uint64_t HeldOf(const Observation& observation, const CallSiteGroup& group) {
  uint64_t held = 0;
  for (const GroupedConnection& place : group.connections) {
    const Connection& connection =
        observation.snapshots[place.snapshot].connections[place.connection];
    const bool failed = connection.state == ConnectionState::kRefused ||
                        connection.state == ConnectionState::kFailed;
    held += failed && ReachAt(observation, place).reach == Reach::kHeld;
  }
  return held;
}

// An asynchronous connect that nobody can go on with: a time-out of the program's, an exception, a
// jump out of it. What a program leaves so at its end is open_at_exit's.
bool IsAbandoned(const Snapshot& snapshot, const Connection& connection,
                 const std::set<const Connection*>& lost) {
  return connection.state == ConnectionState::kConnecting && connection.handle != 0 &&
         connection.in_call.empty() && MayLive(snapshot.process.life) && lost.contains(&connection);
}

struct Unfinished {
  Picked picked;
  uint64_t refused = 0;
  uint64_t abandoned = 0;
};

// `lost`: handles that nothing leads to, of which nothing has to be waited for.
Unfinished UnfinishedOf(const Observation& observation, const CallSiteGroup& group,
                        const std::set<const Connection*>& lost) {
  Unfinished found;
  found.picked =
      Pick(observation, group, [&](const Snapshot& snapshot, const Connection& connection) {
        // Of one that is under way it is known only where nobody can go on with it.
        if (IsAbandoned(snapshot, connection, lost)) {
          ++found.abandoned;
          return true;
        }
        const bool is_refused = connection.state == ConnectionState::kRefused;
        const bool unfinished =
            (is_refused || connection.state == ConnectionState::kFailed) &&
            connection.in_call.empty() &&
            (HasEnded(snapshot) || lost.contains(&connection) ||
             IdleNs(connection, snapshot.as_of_ns) >= observation.thresholds.min_age_ns);
        found.refused += unfinished && is_refused;
        return unfinished;
      });
  return found;
}

}  // namespace

// A connect that fails returns a PGconn all the same, which must be finished: it holds memory, and
// a socket at times, though no slot of the server.
std::vector<Finding> FindUnfinishedFailedConnects(const Observation& observation) {
  std::vector<Finding> findings;
  const std::set<const Connection*> lost = LostOnes(observation);
  const auto lines = FaultyLines(observation, [&](const CallSiteGroup& group) {
    return UnfinishedOf(observation, group, lost).picked.count != 0;
  });
  for (const FaultyLine& line : lines) {
    const CallSiteGroup& group = line.sum;
    const auto [picked, refused, abandoned] = UnfinishedOf(observation, group, lost);
    const std::string opened_by = OpenedBy(observation, line.sites);
    // A program that waits before it tries the same handle again (PQreset) still has it.
    const uint64_t held = HeldOf(observation, group);
    Finding finding;
    finding.confidence = held == 0 ? Confidence::kProven : Confidence::kLikely;
    finding.summary =
        abandoned == 0
            ? fmt::format("{} {} never passed to PQfinish",
                          Count(picked.count, "failed connection"), opened_by)
            : fmt::format(
                  "{} {} never passed to PQfinish: {} abandoned before it was done, and may "
                  "hold a slot of the server all the same",
                  Count(picked.count, "connect"), opened_by,
                  abandoned == picked.count ? "each was"
                                            : fmt::format("{} of them were", abandoned));
    SetSites(line, &finding);
    finding.evidence = {InConnections("unfinished", picked.count),
                        InConnections("of_these_refused_by_a_cap", refused),
                        InConnections("of_these_abandoned", abandoned),
                        InConnections("failed", group.failed),
                        InSeconds("oldest", picked.oldest_age_ns)};
    if (held != 0) finding.evidence.push_back(InConnections("held_by_the_program", held));
    finding.advice = fmt::format(
        "close the handle ({}) on the error path, too: libpq returns one that is not null for a "
        "failed connect",
        IdiomOf(group).close);
    finding.connections = picked.count;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
