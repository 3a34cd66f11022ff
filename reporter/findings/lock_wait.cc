// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/exhaustion.h"
#include "reporter/findings/service.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kRecent = 3;  // periods; the last is not over yet

std::string Milliseconds(uint64_t ns) {
  return ns < 10 * kSecond ? fmt::format("{} ms", ns / kMillisecond) : HumanDuration(ns);
}

}  // namespace

// All connections taken, and not because there is more to do: the same work takes longer. A larger
// pool would send the server more of what it is waiting for.
std::vector<Finding> FindLockWaits(const Observation& observation) {
  const Thresholds& thresholds = observation.thresholds;
  std::vector<Finding> findings;
  // A transaction that nobody works in lasts as well, and waits for the program, not for the
  // server.
  const std::set<uint64_t> paused = SitesOf(FindIdleInTransaction(observation));
  for (const Service& service : ServicesOf(observation)) {
    if (service.places.empty() || paused.contains(service.places.front().group->id) ||
        !IsExhausted(service, thresholds) || !HandoverShare(service, kRecent)) {
      continue;  // tasks of one thread: long work of some looks like slow work of all
    }
    const std::optional<Slowness> slow = SlowerUses(service, thresholds);
    if (!slow || HasMoreToDo(service, thresholds)) continue;
    const CallSiteGroup& group = *service.places.front().group;
    const Activity recent = Recent(service, kRecent);
    Finding finding;
    finding.confidence = Confidence::kLikely;
    finding.summary = fmt::format(
        "a use of a connection of {} takes {}, and took {}: all {} are taken, and a larger pool "
        "would not help",
        Named(service), Milliseconds(slow->now_ns), Milliseconds(slow->before_ns),
        Count(service.open, "connection"));
    finding.call_site = group.id;
    finding.evidence = {{"usual_use_now", static_cast<double>(slow->now_ns) / 1e9, "s"},
                        {"usual_use_before", static_cast<double>(slow->before_ns) / 1e9, "s"},
                        InConnections("open", service.open),
                        InConnections("in_use_at_once_at_most", recent.in_use_peak)};
    finding.advice =
        "look for what the queries wait for: `pqleash report --dsn` or pg_blocking_pids() names "
        "the "
        "session that holds a lock; without one, look for a plan that has changed, or a server "
        "that "
        "has more to do";
    finding.connections = service.open;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
