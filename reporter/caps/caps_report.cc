// SPDX-License-Identifier: Apache-2.0

#include "reporter/caps/caps_report.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

namespace pqleash::reporter {
namespace {

// Moments come from a board: they may lie anywhere.
uint64_t Since(uint64_t moment, uint64_t now) { return now > moment ? now - moment : 0; }

std::string_view DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view(".") : path.substr(0, slash);
}

bool Names(const BoardWaiter& waiter, uint32_t number) {
  return (waiter.policies >> number & 1) != 0;
}

std::optional<uint64_t> OldestWait(const BoardSnapshot& board, uint32_t number, uint64_t now) {
  for (const BoardWaiter& waiter : board.waiters) {
    if (Names(waiter, number)) return Since(waiter.since_ns, now);
  }
  return std::nullopt;
}

// `pid`: of the one process of a board of its own; 0: as the board has it.
void AddRows(const BoardSnapshot& board, uint32_t number, int32_t pid, uint64_t now,
             CapsPolicy* policy) {
  for (const BoardHolder& holder : board.holders) {
    if (holder.policy != number) continue;
    const BoardMember& member = board.members[holder.member];
    policy->holders.push_back({pid != 0 ? pid : member.pid, member.service, holder.call_site,
                               holder.label, holder.count, Since(holder.oldest_ns, now),
                               member.ended});
  }
  for (const BoardWaiter& waiter : board.waiters) {
    if (!Names(waiter, number)) continue;
    const BoardMember& member = board.members[waiter.member];
    policy->waiters.push_back({pid != 0 ? pid : member.pid, member.service, waiter.call_site,
                               waiter.label, Since(waiter.since_ns, now),
                               Since(now, waiter.deadline_ns)});
  }
}

void AddCounters(const PolicyCounters& one, PolicyCounters* all) {
  all->use += one.use;
  all->peak = std::max(all->peak, one.peak);
  all->waiting += one.waiting;
  all->admitted += one.admitted;
  all->warned += one.warned;
  all->waited += one.waited;
  all->refused += one.refused;
  all->timed_out += one.timed_out;
  all->longest_wait_ns = std::max(all->longest_wait_ns, one.longest_wait_ns);
  all->server_full_count += one.server_full_count;
  const auto earlier = [](uint64_t a, uint64_t b) {
    return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
  };
  all->entered_ns = earlier(all->entered_ns, one.entered_ns);
  all->held_back_ns = std::max(all->held_back_ns, one.held_back_ns);
  if (one.server_full_since_ns == 0) return;
  all->server_full_since_ns = earlier(all->server_full_since_ns, one.server_full_since_ns);
  all->probe_at_ns = earlier(all->probe_at_ns, one.probe_at_ns);
  all->probes = std::max(all->probes, one.probes);
  all->probing |= one.probing;
}

// A stretch at the limit stays written down until a process has logged its end.
void ForgetPastStretch(const caps::Policy& filed, const caps::Rule& rule, uint64_t now,
                       PolicyCounters* counters) {
  constexpr uint64_t kQuietNs = 1'000'000'000;  // of a pace: by then it is over
  const bool full = filed.kind == caps::kCap ? counters->use >= rule.limit
                                             : Since(counters->held_back_ns, now) < kQuietNs;
  if (counters->waiting == 0 && !full) counters->entered_ns = 0;
}

void AddProcess(const ProcessBoardSource& process, const BoardPolicy& record, uint64_t now,
                CapsPolicy* policy) {
  const std::optional<uint64_t> oldest = OldestWait(process.snapshot, record.number, now);
  PolicyCounters counters = record.counters;
  ForgetPastStretch(record.filed, record.rule, now, &counters);
  policy->processes.push_back({process.pid, process.service, counters, oldest});
  AddCounters(counters, &policy->policy.counters);
  if (oldest) policy->oldest_wait_ns = std::max(policy->oldest_wait_ns.value_or(0), *oldest);
  AddRows(process.snapshot, record.number, process.pid, now, policy);
}

// The policy that a record of a process's own board mirrors.
CapsPolicy* FindPolicy(const ProcessBoardSource& process, const BoardPolicy& record,
                       std::vector<CapsPolicy>* policies) {
  for (CapsPolicy& policy : *policies) {
    if (policy.policy.filed.scope == caps::kScopeProcess &&
        DirectoryOf(policy.board) == DirectoryOf(process.ledger) &&
        policy.policy.service == record.service &&
        std::string_view(policy.policy.filed.name) == record.filed.name) {
      return &policy;
    }
  }
  return nullptr;
}

void SetTimes(uint64_t now, CapsPolicy* policy) {
  const PolicyCounters& counters = policy->policy.counters;
  if (counters.entered_ns != 0) policy->at_limit_ns = Since(counters.entered_ns, now);
  if (counters.held_back_ns != 0) policy->quiet_ns = Since(counters.held_back_ns, now);
  if (counters.server_full_since_ns == 0) return;
  policy->server_full_ns = Since(counters.server_full_since_ns, now);
  policy->next_try_ns = Since(now, counters.probe_at_ns);
}

}  // namespace

CapsReport BuildCapsReport(const std::vector<BoardSource>& shared,
                           const std::vector<ProcessBoardSource>& processes, uint64_t now_ns,
                           std::vector<std::string> incomplete, const Occasion& occasion) {
  CapsReport report;
  report.generated_realtime_ns = occasion.realtime_ns;
  report.host = occasion.host;
  report.incomplete = std::move(incomplete);
  const auto add_warnings = [&](const BoardSnapshot& board) {
    report.incomplete.insert(report.incomplete.end(), board.warnings.begin(), board.warnings.end());
  };
  for (const BoardSource& source : shared) {
    const BoardSnapshot& board = source.snapshot;
    report.boards.push_back(
        {source.path, board.pid_namespace, board.members.size(), board.uncounted, board.repairs});
    add_warnings(board);
    for (const BoardPolicy& record : board.policies) {
      CapsPolicy policy;
      policy.board = source.path;
      policy.policy = record;
      if (record.filed.scope == caps::kScopeProcess) {
        policy.policy.counters = {};
      } else {
        ForgetPastStretch(record.filed, record.rule, now_ns, &policy.policy.counters);
        policy.oldest_wait_ns = OldestWait(board, record.number, now_ns);
        AddRows(board, record.number, 0, now_ns, &policy);
      }
      report.policies.push_back(std::move(policy));
    }
  }
  for (const ProcessBoardSource& process : processes) {
    add_warnings(process.snapshot);
    for (const BoardPolicy& record : process.snapshot.policies) {
      if (record.filed.scope != caps::kScopeProcess) continue;
      CapsPolicy* policy = FindPolicy(process, record, &report.policies);
      if (policy == nullptr) {
        // The process could not use the shared board.
        policy = &report.policies.emplace_back();
        policy->board = process.ledger;
        policy->policy = record;
        policy->policy.counters = {};
      }
      AddProcess(process, record, now_ns, policy);
    }
  }
  for (CapsPolicy& policy : report.policies) {
    SetTimes(now_ns, &policy);
    std::stable_sort(policy.holders.begin(), policy.holders.end(),
                     [](const CapsHolder& a, const CapsHolder& b) { return a.count > b.count; });
  }
  std::stable_sort(report.policies.begin(), report.policies.end(),
                   [](const CapsPolicy& a, const CapsPolicy& b) {
                     return std::tuple(std::string_view(a.policy.service),
                                       std::string_view(a.policy.filed.name)) <
                            std::tuple(std::string_view(b.policy.service),
                                       std::string_view(b.policy.filed.name));
                   });
  return report;
}

void KeepPolicies(const std::string& name, const std::vector<std::string>& services,
                  CapsReport* report) {
  std::erase_if(report->policies, [&](const CapsPolicy& policy) {
    const std::string& service = policy.policy.service;
    const bool named = name.empty() || name == policy.policy.filed.name;
    const bool holds = services.empty() || service.empty() ||
                       std::find(services.begin(), services.end(), service) != services.end();
    return !named || !holds;
  });
}

}  // namespace pqleash::reporter
