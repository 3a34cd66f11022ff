// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/process_churn.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "reporter/snapshot/connection_times.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kWindowNs = kMinute;
constexpr uint64_t kLatelyNs = 15 * kSecond;  // the latest has begun since then

// Processes of one service that lived for a moment, by when they began.
struct Jobs {
  std::vector<size_t> snapshots;
  std::vector<uint64_t> begun_ago_ns;
  uint64_t opened = 0;
  uint64_t life_ns = 0;
};

std::map<std::string, Jobs> JobsOf(const Observation& observation) {
  std::map<std::string, Jobs> services;
  for (size_t i = 0; i < observation.snapshots.size(); ++i) {
    const Snapshot& snapshot = observation.snapshots[i];
    if (!IsJobOfLate(snapshot, observation.realtime_ns)) continue;
    const uint64_t ago = Since(observation.realtime_ns, snapshot.process.created_realtime_ns);
    Jobs& jobs = services[snapshot.process.service];
    jobs.snapshots.push_back(i);
    jobs.begun_ago_ns.push_back(ago);
    jobs.opened += snapshot.totals.opened;
    jobs.life_ns += Since(snapshot.as_of_ns, snapshot.process.created_monotonic_ns);
  }
  return services;
}

// Connects a second, over the time in which the jobs began; 0: too few, or for too short a time.
double RateOf(const Jobs& jobs, const Thresholds& thresholds) {
  if (jobs.snapshots.size() < thresholds.jobs) return 0;
  const auto [latest, first] =
      std::minmax_element(jobs.begun_ago_ns.begin(), jobs.begun_ago_ns.end());
  const uint64_t span = *first - *latest;
  if (*latest > kLatelyNs || span < thresholds.jobs_span_ns) return 0;
  return static_cast<double>(jobs.opened - 1) * 1e9 / static_cast<double>(span);
}

// The place that most of them connect at.
const CallSiteGroup* PlaceOf(const Observation& observation, const Jobs& jobs) {
  const std::set<size_t> snapshots(jobs.snapshots.begin(), jobs.snapshots.end());
  const CallSiteGroup* most = nullptr;
  ptrdiff_t members = 0;
  for (const CallSiteGroup& group : observation.call_sites) {
    if (!Connects(group)) continue;
    const ptrdiff_t count = std::count_if(
        group.members.begin(), group.members.end(),
        [&](const CallSiteMember& member) { return snapshots.contains(member.snapshot); });
    if (group.id == 0 || count <= members) continue;
    most = &group;
    members = count;
  }
  return most;
}

}  // namespace

bool IsJobOfLate(const Snapshot& snapshot, uint64_t realtime_ns) {
  const Thresholds thresholds;
  const uint64_t life = Since(snapshot.as_of_ns, snapshot.process.created_monotonic_ns);
  return !MayLive(snapshot.process.life) && snapshot.totals.opened != 0 &&
         snapshot.totals.opened <= thresholds.job_connects && snapshot.totals.open == 0 &&
         life <= thresholds.churn_life_ns &&
         Since(realtime_ns, snapshot.process.created_realtime_ns) <= kWindowNs;
}

std::vector<Finding> FindProcessChurn(const Observation& observation) {
  const Thresholds& thresholds = observation.thresholds;
  std::vector<Finding> findings;
  for (const auto& [service, jobs] : JobsOf(observation)) {
    const double rate = RateOf(jobs, thresholds);
    const CallSiteGroup* place = PlaceOf(observation, jobs);
    if (rate * static_cast<double>(kHistoryPeriodNs / kSecond) <
            static_cast<double>(thresholds.churn_opens) ||
        place == nullptr) {
      continue;
    }
    const std::string said = fmt::format(
        "{} processes of {} connected in the last minute, {:.1f} connects a second, {}, and lived "
        "for {} as a rule",
        jobs.snapshots.size(), service, rate, OpenedBy(observation, *place),
        HumanDuration(jobs.life_ns / jobs.snapshots.size()));
    Finding finding;
    finding.confidence = Confidence::kLikely;
    finding.summary = said + ": each pays for a connect of its own";
    finding.call_site = place->id;
    finding.evidence = {{"processes", static_cast<double>(jobs.snapshots.size()), "processes"},
                        InConnections("opened", jobs.opened),
                        {"connects_per_second", rate, "connects/s"},
                        InSeconds("usual_life", jobs.life_ns / jobs.snapshots.size())};
    finding.advice =
        "let one process that lives longer do the work of many, or put a pooler beside the server";
    finding.connections = jobs.opened;
    finding.answer = {Answer::Verdict::kChurn,
                      fmt::format("Neither a leak nor a limit: {} processes of {} connected within "
                                  "a minute, {}, and lived for {} as a rule",
                                  jobs.snapshots.size(), service, OpenedBy(observation, *place),
                                  HumanDuration(jobs.life_ns / jobs.snapshots.size()))};
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
