// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace pqleash::reporter {
namespace {

// A detector is its function and a line here. Most harmful kind first: what breaks the work of
// another process before what holds locks, that before what holds a slot of the server, and that
// before what costs only memory.
constexpr DetectorEntry kDetectors[] = {
    {"fork-shared", FindForkShared},
    {"lost-handle", FindLostHandles},
    {"idle-in-transaction", FindIdleInTransaction},
    {"leak-suspect", FindLeakSuspects},
    {"server-closed", FindServerClosed},
    {"unfinished-failed-connect", FindUnfinishedFailedConnects},
    {"never-used", FindNeverUsed},
    {"cap-hit", FindCapHits},
};

}  // namespace

std::span<const DetectorEntry> Detectors() { return kDetectors; }

std::vector<Finding> FindAll(const Observation& observation) {
  std::vector<Finding> findings;
  for (const DetectorEntry& detector : Detectors()) {
    std::vector<Finding> found = detector.find(observation);
    for (Finding& finding : found) finding.kind = detector.kind;
    std::stable_sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) {
      return std::pair(a.confidence, a.connections) > std::pair(b.confidence, b.connections);
    });
    std::move(found.begin(), found.end(), std::back_inserter(findings));
  }
  return findings;
}

Picked Pick(const Observation& observation, const CallSiteGroup& group,
            const Predicate& predicate) {
  Picked picked;
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    if (!predicate(snapshot, connection)) continue;
    ++picked.count;
    picked.longest_idle_ns =
        std::max(picked.longest_idle_ns, IdleNs(connection, snapshot.as_of_ns));
    picked.oldest_age_ns = std::max(picked.oldest_age_ns, AgeNs(connection, snapshot.as_of_ns));
  }
  return picked;
}

std::string OpenedBy(const Observation& observation, const CallSiteGroup& group) {
  const SourceFrame* headline = HeadlineFrame(group.frames, observation.library_paths);
  if (headline == nullptr) return "opened at a place that was not recorded";
  return "opened by " + DescribeFrame(headline);
}

std::string Count(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

Evidence InConnections(std::string_view name, uint64_t count) {
  return {std::string(name), static_cast<double>(count), "connections"};
}

Evidence InSeconds(std::string_view name, uint64_t ns) {
  const auto milliseconds = static_cast<double>(ns / 1'000'000);
  return {std::string(name), milliseconds / 1'000, "s"};
}

}  // namespace pqleash::reporter
