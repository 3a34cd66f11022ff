// SPDX-License-Identifier: Apache-2.0

#include "reporter/server/server_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "reporter/call_sites/told_apart.h"
#include "reporter/findings/detector.h"

namespace pqleash::reporter {
namespace {

constexpr int kStatsRoles = 100'000;  // pg_read_all_stats and pg_monitor are there from 10 on

std::optional<uint64_t> AgeAt(const ServerView& view, uint64_t then_ns) {
  if (then_ns == 0) return std::nullopt;
  return Since(view.clock.server_realtime_ns, then_ns);
}

bool IdleInTransaction(const Backend& backend) {
  return backend.state.starts_with("idle in transaction");
}

using Waiters = std::map<int32_t, std::vector<int32_t>>;  // by whom they wait for

Waiters WaitersOf(const ServerView& view) {
  Waiters waiters;
  for (const Backend& backend : view.backends) {
    for (const int32_t blocker : backend.blocked_by) waiters[blocker].push_back(backend.pid);
  }
  return waiters;
}

ServerBackend Describe(const ServerView& view, const Backend& backend, const Waiters& waiters) {
  ServerBackend result;
  result.backend = backend;
  const auto blocked = waiters.find(backend.pid);
  if (blocked != waiters.end()) result.blocks = blocked->second;
  result.age_ns = AgeAt(view, backend.start_ns);
  result.state_age_ns = AgeAt(view, backend.state_change_ns);
  result.transaction_age_ns = AgeAt(view, backend.transaction_start_ns);
  if (IdleInTransaction(backend)) result.idle_in_transaction_ns = result.state_age_ns;
  result.query_age_ns = AgeAt(view, backend.query_start_ns);
  return result;
}

ServerSlots SlotsOf(const ServerView& view, const std::vector<JoinedBackend>& joined) {
  ServerSlots slots;
  slots.max = view.settings.max_connections;
  slots.superuser_reserved = view.settings.superuser_reserved;
  slots.reserved = view.settings.reserved;
  const auto count = [&](Ownership ownership) {
    return static_cast<uint64_t>(std::count_if(
        joined.begin(), joined.end(),
        [&](const JoinedBackend& backend) { return backend.ownership == ownership; }));
  };
  slots.ours = count(Ownership::kOurs);
  slots.others = count(Ownership::kOthers);
  slots.unknown = count(Ownership::kUnknown);
  slots.own = count(Ownership::kOwn);
  slots.used = slots.ours + slots.others + slots.unknown + slots.own;
  const uint64_t taken = slots.used + slots.superuser_reserved + slots.reserved;
  slots.free = slots.max > taken ? slots.max - taken : 0;
  return slots;
}

// Who blocks others first, then the longest transactions, then ours, the idlest first.
void SortByTelling(std::vector<ServerBackend>* backends) {
  const auto rank = [](const ServerBackend& backend) {
    return std::tuple(backend.blocks.size(), backend.transaction_age_ns.value_or(0),
                      backend.ownership == Ownership::kOurs, backend.state_age_ns.value_or(0));
  };
  std::stable_sort(
      backends->begin(), backends->end(),
      [&](const ServerBackend& a, const ServerBackend& b) { return rank(a) > rank(b); });
}

std::string PortText(uint32_t port) { return port == 0 ? "" : fmt::format(":{}", port); }

void AddUnlistedNotes(const ServerReport& report, std::vector<std::string>* notes) {
  for (const Unlisted& place : report.unlisted) {
    const std::string connections = Count(place.connections, "connection");
    const bool one = place.connections == 1;
    if (place.same_address) {
      notes->push_back(
          fmt::format("{} of the observed processes to this address {} no backend here: {}",
                      connections, one ? "has" : "have",
                      report.settings.through_pooler ? "the pooler's serve whoever comes"
                                                     : "the server has ended the session"));
    } else {
      notes->push_back(fmt::format(
          "{} of the observed processes to {}{} {} no backend here: another server, or a pooler in "
          "front of this one",
          connections, place.host.empty() ? "a place that is not known" : place.host,
          PortText(place.port), one ? "has" : "have"));
    }
  }
}

void AddNotes(const ServerView& view, const ServerReportOptions& options, ServerReport* report) {
  std::vector<std::string>& notes = report->notes;
  notes = view.missing;
  const std::string hidden = HiddenNote(report->hidden, view.address.user, view.settings.version);
  if (!hidden.empty()) notes.push_back(hidden);
  if (view.settings.through_pooler) {
    notes.emplace_back(
        "this connection string leads through a pooler: what is shown is the server behind it");
  }
  if (view.settings.in_recovery) notes.emplace_back("this server is a standby");
  if (options.some_processes) {
    notes.emplace_back("'ours' are the selected processes alone; others are counted as others'");
  }
  if (report->backends_known) AddUnlistedNotes(*report, &notes);
}

}  // namespace

std::string HiddenNote(uint64_t hidden, const std::string& user, int version) {
  if (hidden == 0) return {};
  const std::string cure =
      version >= kStatsRoles
          ? fmt::format("GRANT pg_read_all_stats TO the role '{}', or connect as one that has it",
                        user)
          : std::string("connect as a superuser");
  return fmt::format("the state of {} is hidden from the role '{}': {}", Count(hidden, "backend"),
                     user, cure);
}

void AddWaitersAsEvidence(const ServerReport& server, std::vector<Finding>* findings) {
  for (Finding& finding : *findings) {
    if (finding.kind != "idle-in-transaction" || !finding.call_site) continue;
    std::set<int32_t> waiting;
    for (const ServerBackend& backend : server.backends) {
      if (backend.ownership != Ownership::kOurs || backend.call_site != *finding.call_site)
        continue;
      if (!backend.idle_in_transaction_ns) continue;
      waiting.insert(backend.blocks.begin(), backend.blocks.end());
    }
    if (!waiting.empty()) finding.evidence.push_back(InConnections("blocks", waiting.size()));
  }
}

ServerBackend DescribeBackend(const ServerView& view, const Backend& backend) {
  return Describe(view, backend, WaitersOf(view));
}

ServerReport BuildServerReport(const ServerView& view, const std::vector<Snapshot>& snapshots,
                               const std::vector<CallSiteGroup>& call_sites,
                               const ServerReportOptions& options) {
  Joined joined = Join(view, snapshots);
  ServerReport report;
  report.address = view.address;
  report.settings = view.settings;
  report.backends_known = view.backends_known;
  report.slots = SlotsOf(view, joined.backends);
  report.unlisted = std::move(joined.unlisted);
  std::map<uint64_t, const CallSiteGroup*> groups;
  for (const CallSiteGroup& group : call_sites) groups.emplace(group.id, &group);
  const Waiters waiters = WaitersOf(view);
  for (size_t i = 0; i < view.backends.size(); ++i) {
    ServerBackend backend = Describe(view, view.backends[i], waiters);
    backend.ownership = joined.backends[i].ownership;
    const bool shown = backend.ownership != Ownership::kServer || !backend.blocks.empty() ||
                       !backend.backend.blocked_by.empty();
    report.hidden += backend.backend.hidden && backend.backend.takes_slot;
    if (!shown || backend.ownership == Ownership::kOwn) continue;
    if (const auto& place = joined.backends[i].place) {
      const Snapshot& snapshot = snapshots[place->snapshot];
      const Process& process = snapshot.process;
      backend.process_pid = process.visible_pid != 0 ? process.visible_pid : process.pid;
      backend.service = process.service;
      backend.life = process.life;
      backend.call_site = snapshot.call_sites[snapshot.connections[place->connection].call_site].id;
      const auto group = groups.find(backend.call_site);
      if (group != groups.end()) {
        const std::vector<SourceFrame>& frames = group->second->frames;
        if (const SourceFrame* headline = HeadlineFrame(frames, options.library_paths)) {
          backend.opened_by = DescribeSite(frames, static_cast<size_t>(headline - frames.data()),
                                           group->second->caller);
        }
      }
    }
    report.backends.push_back(std::move(backend));
  }
  SortByTelling(&report.backends);
  if (options.top && report.backends.size() > *options.top) {
    report.backends_left_out = report.backends.size() - *options.top;
    report.backends.resize(*options.top);
  }
  AddNotes(view, options, &report);
  return report;
}

}  // namespace pqleash::reporter
