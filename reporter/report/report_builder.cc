// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/report_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "reporter/call_sites/told_apart.h"
#include "reporter/findings/answer.h"
#include "reporter/snapshot/connection_times.h"

namespace pqleash::reporter {
namespace {

std::vector<ReportPeriod> HistoryOf(const Snapshot& snapshot) {
  const Process& process = snapshot.process;
  std::vector<ReportPeriod> history;
  for (const HistoryPeriod& happened : snapshot.history) {
    // Wraps around where the period began before the process did, and back.
    const uint64_t since = happened.period * kHistoryPeriodNs - process.created_monotonic_ns;
    history.push_back({process.created_realtime_ns + since, happened});
  }
  return history;
}

std::vector<ReportFailure> FailuresOf(const Snapshot& snapshot) {
  std::vector<ReportFailure> failures;
  for (size_t i = 0; i < kFailureReasons; ++i) {
    const Failure& failure = snapshot.failures[i];
    if (failure.count == 0) continue;
    failures.push_back({static_cast<FailureReason>(i), failure.count,
                        Since(snapshot.as_of_ns, failure.last_ns), failure.text,
                        snapshot.call_sites[failure.call_site].id});
  }
  return failures;
}

ReportProcess ToReportProcess(const Snapshot& snapshot) {
  const Process& process = snapshot.process;
  ReportProcess result;
  result.pid = process.visible_pid != 0 ? process.visible_pid : process.pid;
  result.service = process.service;
  result.exe = process.exe;
  result.host_name = process.host_name;
  result.library_version = process.library_version;
  result.ledger = process.ledger;
  result.life = process.life;
  result.totals = snapshot.totals;
  result.coverage = CoverageOf(snapshot);
  result.attachment = process.attachment;
  result.run_id = process.run_id;
  result.times = snapshot.times;
  result.history = HistoryOf(snapshot);
  result.failures = FailuresOf(snapshot);
  result.since_realtime_ns = process.created_realtime_ns;
  if (process.life != Life::kLive) {
    result.last_realtime_ns =
        process.created_realtime_ns + Since(snapshot.as_of_ns, process.created_monotonic_ns);
  }
  return result;
}

ReportConnection ToReportConnection(const Snapshot& snapshot, const Connection& connection) {
  const Process& process = snapshot.process;
  ReportConnection result;
  result.handle = connection.handle;
  result.pid = process.visible_pid != 0 ? process.visible_pid : process.pid;
  result.tid = connection.tid;
  result.backend_pid = connection.backend_pid;
  result.service = process.service;
  result.thread_name = connection.thread_name;
  result.life = process.life;
  result.state = connection.state;
  result.transaction = connection.transaction;
  result.in_call = connection.in_call;
  result.in_call_ns = InCallNs(connection, snapshot.as_of_ns);
  result.target = snapshot.targets[connection.target];
  result.age_ns = AgeNs(connection, snapshot.as_of_ns);
  result.idle_ns = IdleNs(connection, snapshot.as_of_ns);
  result.commands = connection.commands;
  result.resets = connection.resets;
  result.adopted = connection.adopted;
  if (connection.state == ConnectionState::kLeftOpen) result.closed_by = connection.closed_by;
  if (connection.state == ConnectionState::kInherited) {
    result.inheritance = {connection.opener_pid, connection.touched_by,
                          snapshot.call_sites[connection.touched_site].id,
                          connection.finished_here};
  }
  return result;
}

std::vector<ReportModule> ModulesOf(const std::vector<Snapshot>& snapshots) {
  std::map<std::pair<std::string, std::string>, ReportModule> modules;
  for (const Snapshot& snapshot : snapshots) {
    for (const Module& module : snapshot.modules) {
      ReportModule& result = modules[{module.path, module.build_id}];
      const uint64_t size = module.end > module.begin ? module.end - module.begin : 0;
      // Of a file that was unloaded, or is being loaded, another process may know more.
      if (size < result.size) continue;
      result = {module.path, module.build_id, module.begin - module.bias, size, {}};
    }
  }
  std::vector<ReportModule> result;
  for (auto& [key, module] : modules) result.push_back(std::move(module));
  return result;
}

bool Passes(const Filter& filter, const ReportConnection& connection) {
  return connection.age_ns >= filter.min_age_ns.value_or(0) &&
         connection.idle_ns >= filter.min_idle_ns.value_or(0);
}

bool Connected(const CallSite& site) {
  return site.opened != 0 || site.failed != 0 || site.open != 0;
}

std::optional<TakenAt> LastTakenAt(const Snapshot& snapshot, const Connection& connection,
                                   const std::vector<CallSiteGroup>& call_sites,
                                   const Filter& filter) {
  const uint64_t id = snapshot.call_sites[connection.used_site].id;
  const CallSiteGroup* group = id != 0 ? GroupOf(call_sites, id) : nullptr;
  if (group == nullptr) return std::nullopt;
  const SourceFrame* headline = HeadlineFrame(group->frames, filter.library_paths);
  const std::optional<size_t> frame =
      headline != nullptr ? std::optional(static_cast<size_t>(headline - group->frames.data()))
                          : std::nullopt;
  return TakenAt{id, DescribeSite(group->frames, frame, group->caller)};
}

ReportCallSite ToReportCallSite(const std::vector<Snapshot>& snapshots,
                                const std::vector<CallSiteGroup>& call_sites,
                                const CallSiteGroup& group, const Filter& filter,
                                std::span<const Reachability> reachability) {
  ReportCallSite site;
  site.id = group.id;
  site.ids = group.ids;
  site.open = group.open;
  site.opened = group.opened;
  site.closed = group.closed;
  site.failed = group.failed;
  site.peak = group.peak;
  site.in_use = group.in_use;
  site.in_use_peak = group.in_use_peak;
  if (group.held_ns != 0) {
    // The clocks of use and life differ by a tick.
    site.busy_share =
        std::min(1.0, static_cast<double>(group.busy_ns) / static_cast<double>(group.held_ns));
  }
  site.stack_truncated = group.stack_truncated;
  site.stack_incomplete = group.stack_incomplete;
  site.frames = group.frames;
  if (const SourceFrame* headline = HeadlineFrame(site.frames, filter.library_paths)) {
    site.headline = static_cast<size_t>(headline - site.frames.data());
  }
  site.caller = group.caller;
  std::set<size_t> processes;
  for (const CallSiteMember& member : group.members) {
    if (Connected(snapshots[member.snapshot].call_sites[member.call_site])) {
      processes.insert(member.snapshot);
    }
  }
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = snapshots[place.snapshot];
    ReportConnection connection =
        ToReportConnection(snapshot, snapshot.connections[place.connection]);
    connection.last_taken =
        LastTakenAt(snapshot, snapshot.connections[place.connection], call_sites, filter);
    if (place.snapshot < reachability.size()) {
      connection.reach = ReachOf(reachability[place.snapshot], place.connection);
    }
    // Whoever opened it has it in its own ledger.
    if (!connection.inheritance) {
      processes.insert(place.snapshot);
      site.oldest_age_ns = std::max(site.oldest_age_ns.value_or(0), connection.age_ns);
      site.max_idle_ns = std::max(site.max_idle_ns.value_or(0), connection.idle_ns);
    }
    if (Passes(filter, connection)) {
      site.connections.push_back(std::move(connection));
    } else {
      ++site.connections_left_out;
    }
  }
  site.processes = processes.size();
  std::stable_sort(
      site.connections.begin(), site.connections.end(),
      [](const ReportConnection& a, const ReportConnection& b) {
        return std::tuple(IsIdleInside(a.transaction), a.idle_ns, a.in_call_ns, a.age_ns) >
               std::tuple(IsIdleInside(b.transaction), b.idle_ns, b.in_call_ns, b.age_ns);
      });
  return site;
}

// Call sites with findings first, in the order of these; then whatever holds most.
void SortBySuspicion(const std::vector<Finding>& findings, std::vector<ReportCallSite>* sites) {
  std::map<uint64_t, size_t> rank;
  for (size_t i = 0; i < findings.size(); ++i) {
    if (findings[i].call_site) rank.try_emplace(*findings[i].call_site, i);
  }
  const auto rank_of = [&](const ReportCallSite& site) {
    const auto found = rank.find(site.id);
    return found == rank.end() ? findings.size() : found->second;
  };
  std::stable_sort(sites->begin(), sites->end(),
                   [&](const ReportCallSite& a, const ReportCallSite& b) {
                     if (rank_of(a) != rank_of(b)) return rank_of(a) < rank_of(b);
                     return std::tuple(a.open, a.max_idle_ns, a.opened + a.failed) >
                            std::tuple(b.open, b.max_idle_ns, b.opened + b.failed);
                   });
}

std::vector<std::string> WithWarnings(const std::vector<Snapshot>& snapshots,
                                      std::vector<std::string> incomplete) {
  for (const Snapshot& snapshot : snapshots) {
    const Process& process = snapshot.process;
    for (const std::string& warning : snapshot.warnings) {
      incomplete.push_back(
          fmt::format("process {} ({}): {}", process.pid, process.service, warning));
    }
    if (process.life == Life::kUnknown) {
      incomplete.push_back(
          fmt::format("process {} ({}): cannot be seen from here, so that it may have ended; its "
                      "ages are as of "
                      "its last sign of life",
                      process.pid, process.service));
    }
  }
  return incomplete;
}

}  // namespace

Thresholds ThresholdsFor(const Filter& filter) {
  Thresholds thresholds;
  if (filter.min_age_ns) {
    thresholds.min_age_ns = *filter.min_age_ns;
    thresholds.never_used_age_ns = *filter.min_age_ns;
  }
  if (filter.min_idle_ns) {
    thresholds.min_idle_ns = *filter.min_idle_ns;
    thresholds.transaction_idle_ns = *filter.min_idle_ns;
    // Shorter than it takes to see that nothing comes back they do not become.
    thresholds.left_behind_idle_ns = std::max(thresholds.left_behind_idle_ns, *filter.min_idle_ns);
    thresholds.all_stuck_idle_ns = std::max(thresholds.all_stuck_idle_ns, *filter.min_idle_ns);
  }
  return thresholds;
}

Report BuildReport(const std::vector<Snapshot>& snapshots,
                   const std::vector<CallSiteGroup>& call_sites, const Filter& filter,
                   std::vector<std::string> incomplete, const Occasion& occasion,
                   std::span<const Reachability> reachability,
                   const std::vector<CapsPolicy>& caps) {
  Report report;
  report.generated_realtime_ns = occasion.realtime_ns;
  report.host = occasion.host;
  report.filter = filter;
  report.incomplete = WithWarnings(snapshots, std::move(incomplete));
  for (const Snapshot& snapshot : snapshots) report.processes.push_back(ToReportProcess(snapshot));
  report.modules = ModulesOf(snapshots);
  report.caps = caps;
  const Observation observation = {
      snapshots,    call_sites, ThresholdsFor(filter), filter.library_paths,
      reachability, caps,       occasion.realtime_ns};
  report.findings = FindAll(observation);
  report.answer = AnswerOf(observation, report.findings);
  const bool filters_connections = filter.min_age_ns || filter.min_idle_ns;
  for (const CallSiteGroup& group : call_sites) {
    if (!Connects(group)) continue;
    ReportCallSite site = ToReportCallSite(snapshots, call_sites, group, filter, reachability);
    if (filters_connections && site.connections.empty()) {
      ++report.call_sites_left_out;
    } else {
      report.call_sites.push_back(std::move(site));
    }
  }
  SortBySuspicion(report.findings, &report.call_sites);
  if (filter.top && report.call_sites.size() > *filter.top) {
    report.call_sites_left_out += report.call_sites.size() - *filter.top;
    report.call_sites.resize(*filter.top);
  }
  return report;
}

ProcessList BuildProcessList(const std::vector<Snapshot>& snapshots,
                             std::vector<std::string> incomplete, const Occasion& occasion) {
  ProcessList list;
  list.generated_realtime_ns = occasion.realtime_ns;
  list.host = occasion.host;
  list.incomplete = WithWarnings(snapshots, std::move(incomplete));
  for (const Snapshot& snapshot : snapshots) list.processes.push_back(ToReportProcess(snapshot));
  return list;
}

}  // namespace pqleash::reporter
