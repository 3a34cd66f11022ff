// SPDX-License-Identifier: Apache-2.0

#include "reporter/audit/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "reporter/audit/baseline.h"
#include "reporter/audit/fingerprint.h"
#include "reporter/call_sites/call_site_group.h"

namespace pqleash::reporter {
namespace {

constexpr std::string_view kLostHandle = "lost-handle";
constexpr std::string_view kLeakSuspect = "leak-suspect";
constexpr std::string_view kIdleInTransaction = "idle-in-transaction";

constexpr std::string_view kDefaultKinds[] = {kLostHandle, "fork-shared", kIdleInTransaction,
                                              kLeakSuspect, "unfinished-failed-connect"};

// Kinds of which a process that has ended is judged by other rules, or not at all: that a
// connection is old, unused or cut off says nothing any more.
struct AtExitKind {
  std::string_view kind;
  std::vector<Finding> (*find)(const Observation&, const AtExit&);  // nullptr: not at all
};
constexpr AtExitKind kAtExitKinds[] = {
    {kIdleInTransaction, FindInTransactionAtExit},
    {kLeakSuspect, FindOpenAtExit},
    {"never-used", nullptr},
    {"server-closed", nullptr},
};

using KeepsConnection = std::function<bool(const Snapshot&, const Connection&)>;

std::vector<CallSiteGroup> WithConnections(const Observation& observation,
                                           const KeepsConnection& keeps) {
  std::vector<CallSiteGroup> groups = observation.call_sites;
  for (CallSiteGroup& group : groups) {
    std::erase_if(group.connections, [&](const GroupedConnection& place) {
      const Snapshot& snapshot = observation.snapshots[place.snapshot];
      return !keeps(snapshot, snapshot.connections[place.connection]);
    });
  }
  return groups;
}

std::vector<CallSiteGroup> OfTheLiving(const Observation& observation) {
  std::vector<CallSiteGroup> groups = WithConnections(
      observation,
      [](const Snapshot& snapshot, const Connection&) { return MayLive(snapshot.process.life); });
  for (CallSiteGroup& group : groups) {
    std::erase_if(group.members, [&](const CallSiteMember& member) {
      return !MayLive(observation.snapshots[member.snapshot].process.life);
    });
  }
  return groups;
}

void Append(std::string_view kind, std::vector<Finding> found, std::vector<Finding>* findings) {
  for (Finding& finding : found) {
    finding.kind = kind;
    findings->push_back(std::move(finding));
  }
}

std::vector<Finding> FindAllKinds(const Observation& observation, const AtExit& at_exit,
                                  const std::vector<std::string>& kinds) {
  const std::vector<CallSiteGroup> living_groups = OfTheLiving(observation);
  const Observation living = {observation.snapshots,    living_groups,
                              observation.thresholds,   observation.library_paths,
                              observation.reachability, observation.caps,
                              /*realtime_ns=*/0,        /*leak_sites=*/std::nullopt,
                              observation.by_functions};
  std::vector<Finding> findings;
  for (const std::string_view kind : AuditKinds()) {
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) continue;
    std::vector<Finding> found;
    const auto* at_end = std::find_if(std::begin(kAtExitKinds), std::end(kAtExitKinds),
                                      [&](const AtExitKind& each) { return each.kind == kind; });
    const bool judged_at_end = at_end != std::end(kAtExitKinds);
    if (judged_at_end && at_end->find != nullptr)
      Append(kind, at_end->find(observation, at_exit), &found);
    for (const DetectorEntry& detector : Detectors()) {
      if (detector.kind != kind) continue;
      Append(kind, detector.find(judged_at_end ? living : observation), &found);
    }
    std::stable_sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) {
      return std::tuple(a.confidence, a.connections) > std::tuple(b.confidence, b.connections);
    });
    std::move(found.begin(), found.end(), std::back_inserter(findings));
  }
  FoldLeaks(&findings);
  return findings;
}

// The suppression that takes a connection out by its database.
std::optional<size_t> SuppressedByDbname(const std::vector<Suppression>& suppressions,
                                         const std::string& dbname) {
  for (size_t i = 0; i < suppressions.size(); ++i) {
    if (suppressions[i].over == Suppression::Over::kDbname &&
        MatchesPattern(suppressions[i].pattern, dbname))
      return i;
  }
  return std::nullopt;
}

std::optional<size_t> SuppressedByStack(const std::vector<Suppression>& suppressions,
                                        const AuditFinding& finding) {
  for (size_t i = 0; i < suppressions.size(); ++i) {
    const auto matches = [&](const std::vector<SourceFrame>& frames) {
      return MatchesStack(suppressions[i], frames);
    };
    const auto& stacks = finding.finding.stacks;
    if (matches(finding.frames) ||
        std::any_of(stacks.begin(), stacks.end(),
                    [&](const FindingStack& stack) { return matches(stack.frames); }))
      return i;
  }
  return std::nullopt;
}

AuditFinding ToAuditFinding(const Observation& observation, Finding finding) {
  AuditFinding result;
  const auto& groups = observation.call_sites;
  if (finding.call_site) {
    const auto group =
        std::lower_bound(groups.begin(), groups.end(), *finding.call_site,
                         [](const CallSiteGroup& each, uint64_t id) { return each.id < id; });
    if (group != groups.end() && group->id == *finding.call_site) result.frames = group->frames;
  }
  if (const SourceFrame* headline = HeadlineFrame(result.frames, observation.library_paths))
    result.headline = static_cast<size_t>(headline - result.frames.data());
  result.fingerprint = Fingerprint(finding.kind, result.frames, observation.library_paths);
  result.finding = std::move(finding);
  return result;
}

void Suppress(size_t suppression, AuditReport* audit, AuditFinding* finding) {
  finding->standing = Standing::kSuppressed;
  finding->suppression = suppression;
  ++audit->suppressions[suppression].findings;
  audit->suppressions[suppression].connections += finding->finding.connections;
}

// Findings about those connections that a suppression over dbname (no value: none) applies to.
void FindPart(const Observation& observation, const Judgement& judgement,
              std::optional<size_t> by_dbname, AuditReport* audit) {
  const std::vector<CallSiteGroup> groups =
      WithConnections(observation, [&](const Snapshot& snapshot, const Connection& connection) {
        return SuppressedByDbname(judgement.suppressions,
                                  snapshot.targets[connection.target].dbname) == by_dbname;
      });
  const Observation part = {
      observation.snapshots,    groups,
      observation.thresholds,   observation.library_paths,
      observation.reachability, by_dbname ? std::vector<CapsPolicy>() : observation.caps,
      /*realtime_ns=*/0,        /*leak_sites=*/std::nullopt,
      /*by_functions=*/true};
  for (Finding& found : FindAllKinds(part, judgement.at_exit, judgement.kinds)) {
    AuditFinding finding = ToAuditFinding(observation, std::move(found));
    const auto suppression =
        by_dbname ? by_dbname : SuppressedByStack(judgement.suppressions, finding);
    if (suppression) Suppress(*suppression, audit, &finding);
    audit->findings.push_back(std::move(finding));
  }
  if (by_dbname) return;
  for (std::string& sentence : NotJudgedAtExit(part, judgement.at_exit))
    audit->notes.push_back(std::move(sentence));
}

std::set<size_t> UsedDbnames(const Observation& observation,
                             const std::vector<Suppression>& suppressions) {
  std::set<size_t> used;
  for (const Snapshot& snapshot : observation.snapshots) {
    for (const Connection& connection : snapshot.connections) {
      if (const auto by =
              SuppressedByDbname(suppressions, snapshot.targets[connection.target].dbname))
        used.insert(*by);
    }
  }
  return used;
}

void NoteTheLiving(const Observation& observation, AuditReport* audit) {
  for (const Snapshot& snapshot : observation.snapshots) {
    const Process& process = snapshot.process;
    if (process.life != Life::kLive) continue;
    audit->notes.push_back(fmt::format(
        "process {} ({}) is still running, with {}: judged as a living process is, not by what it "
        "will leave open",
        process.visible_pid, process.service, Count(snapshot.totals.open, "open connection")));
  }
}

// Nobody has left these: PHP closes what a script has opened when its request ends.
void NoteRequests(const Observation& observation, AuditReport* audit) {
  uint64_t closed = 0;
  for (const Snapshot& snapshot : observation.snapshots)
    closed += snapshot.totals.closed_with_request;
  if (closed == 0) return;
  audit->notes.push_back(
      fmt::format("{} {} closed by PHP at the end of a request, which is not the end of the "
                  "program: not judged",
                  Count(closed, "connection"), closed == 1 ? "was" : "were"));
}

// More than the ledger keeps of one process.
void NoteUnkept(const Observation& observation, AuditReport* audit) {
  for (const Snapshot& snapshot : observation.snapshots) {
    if (MayLive(snapshot.process.life)) continue;
    const auto kept = static_cast<uint64_t>(std::count_if(
        snapshot.connections.begin(), snapshot.connections.end(), [](const Connection& connection) {
          return connection.state == ConnectionState::kLeftOpen;
        }));
    if (snapshot.totals.left_open <= kept) continue;
    audit->notes.push_back(fmt::format(
        "process {} ({}) left {} more to its interpreter than its ledger tells of: not judged",
        snapshot.process.pid, snapshot.process.service,
        Count(snapshot.totals.left_open - kept, "connection")));
  }
}

}  // namespace

std::vector<std::string_view> AuditKinds() {
  std::vector<std::string_view> kinds = {kLostHandle};
  for (const DetectorEntry& detector : Detectors()) {
    if (detector.kind != kLostHandle) kinds.push_back(detector.kind);
  }
  return kinds;
}

std::span<const std::string_view> DefaultAuditKinds() { return kDefaultKinds; }

void Judge(const Observation& observation, const Judgement& judgement, AuditReport* audit) {
  audit->kinds = judgement.kinds;
  audit->fail_on = judgement.fail_on;
  audit->baseline = judgement.baseline;
  for (const Suppression& suppression : judgement.suppressions)
    audit->suppressions.push_back({suppression.text, suppression.source, 0, 0});
  FindPart(observation, judgement, std::nullopt, audit);
  for (const size_t by_dbname : UsedDbnames(observation, judgement.suppressions))
    FindPart(observation, judgement, by_dbname, audit);
  if (audit->baseline) MatchBaseline(&*audit->baseline, &audit->findings);
  for (AuditFinding& finding : audit->findings) {
    if (finding.standing == Standing::kFails &&
        !judgement.fail_on.MetBy(finding.finding.confidence, finding.finding.severity))
      finding.standing = Standing::kNoted;
  }
  std::stable_sort(
      audit->findings.begin(), audit->findings.end(),
      [](const AuditFinding& a, const AuditFinding& b) { return a.standing < b.standing; });
  NoteTheLiving(observation, audit);
  NoteRequests(observation, audit);
  NoteUnkept(observation, audit);
  audit->report.findings.clear();
  for (const AuditFinding& finding : audit->findings)
    audit->report.findings.push_back(finding.finding);
}

}  // namespace pqleash::reporter
