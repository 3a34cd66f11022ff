// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "reporter/findings/detector.h"
#include "reporter/findings/idiom.h"
#include "reporter/findings/lines.h"

namespace pqleash::reporter {
namespace {

// Of one call site.
struct Owned {
  uint64_t count = 0;
  std::set<std::string> services;
  uint64_t longest_idle_ns = 0;
  uint64_t oldest_age_ns = 0;
  std::string owner;  // of the first one
  std::string missing;
};

Owned OwnedOf(const Observation& observation, const CallSiteGroup& group) {
  Owned owned;
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    const ConnectionReach& reach = ReachAt(observation, place);
    if (connection.state != ConnectionState::kEstablished || reach.reach != Reach::kOwnerLost)
      continue;
    ++owned.count;
    owned.services.insert(snapshot.process.service);
    owned.longest_idle_ns = std::max(owned.longest_idle_ns, IdleNs(connection, snapshot.as_of_ns));
    owned.oldest_age_ns = std::max(owned.oldest_age_ns, AgeNs(connection, snapshot.as_of_ns));
    if (owned.owner.empty()) owned.owner = reach.where;
    if (owned.missing.empty()) owned.missing = reach.missing;
  }
  return owned;
}

}  // namespace

// Likely, not proven: a program may keep the address of an owner in a form that is not known here.
std::vector<Finding> FindLostOwners(const Observation& observation) {
  std::vector<Finding> findings;
  const auto lines = FaultyLines(observation, [&](const CallSiteGroup& group) {
    return OwnedOf(observation, group).count != 0;
  });
  for (const FaultyLine& line : lines) {
    const CallSiteGroup& group = line.sum;
    const Owned owned = OwnedOf(observation, group);
    const std::string opened_by = OpenedBy(observation, line.sites);
    const bool one = owned.count == 1;
    Finding finding;
    finding.confidence = Confidence::kLikely;
    finding.summary =
        fmt::format("{} {}: only objects that nothing in the process leads to hold {} ({})",
                    Count(owned.count, "connection"), opened_by, one ? "it" : "them", owned.owner);
    if (!owned.missing.empty()) finding.summary += fmt::format("; {}", owned.missing);
    SetSites(line, &finding);
    finding.evidence = {InConnections("owner_lost", owned.count),
                        InSeconds("longest_idle", owned.longest_idle_ns),
                        InSeconds("oldest", owned.oldest_age_ns)};
    const Idiom idiom = IdiomOf(group);
    finding.advice = fmt::format(
        "find the object that owns the connection opened here, and why nobody deletes it: a "
        "pointer that was overwritten, a container that was emptied without deleting, objects that "
        "hold each other by shared pointers; {}",
        idiom.scope);
    finding.connections = owned.count;
    finding.answer = {
        Answer::Verdict::kLeak,
        fmt::format("Leak, not a small limit: in {} only lost objects hold {}, {}",
                    owned.services.size() == 1 ? *owned.services.begin()
                                               : Count(owned.services.size(), "service"),
                    Count(owned.count, "connection"), opened_by)};
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
