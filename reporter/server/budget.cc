// SPDX-License-Identifier: Apache-2.0

#include "reporter/server/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "reporter/findings/detector.h"

namespace pqleash::reporter {
namespace {

uint64_t Less(uint64_t from, uint64_t what) { return from > what ? from - what : 0; }

uint64_t Times(uint64_t a, uint64_t b) { return a != 0 && b > UINT64_MAX / a ? UINT64_MAX : a * b; }

// By how many a cap's limit is multiplied.
uint64_t FactorOf(uint32_t scope, const Deploy& deploy) {
  return scope == caps::kScopeProcess ? Times(deploy.instances, deploy.workers) : deploy.instances;
}

// 'app@orders'.
std::string Whom(const ServerAddress& address) { return address.user + "@" + address.dbname; }

void SetServerBound(const ServerView& view, Budget* budget) {
  const ServerSettings& settings = view.settings;
  budget->bound = Bound::kServer;
  budget->available = settings.max_connections;
  budget->reason = fmt::format("max_connections {}", settings.max_connections);
  const auto take = [&](uint64_t count, const char* what) {
    budget->available = Less(budget->available, count);
    budget->reason += fmt::format(" − {} {}", count, what);
  };
  if (!settings.superuser) take(settings.superuser_reserved, "reserved for superusers");
  if (!settings.superuser && !settings.may_use_reserved && settings.reserved != 0) {
    take(settings.reserved, "of reserved_connections");
  }
  if (budget->others.known) take(budget->others.on_server, "in use by other roles");
}

void SetLimits(const ServerView& view, Budget* budget) {
  const ServerSettings& settings = view.settings;
  if (settings.superuser) return;
  if (settings.role_limit >= 0) {
    const auto limit = static_cast<uint64_t>(settings.role_limit);
    if (limit < budget->available) {
      budget->available = limit;
      budget->bound = Bound::kRole;
      budget->reason = fmt::format("CONNECTION LIMIT {} of role {}", limit, view.address.user);
    }
  }
  if (settings.database_limit >= 0) {
    const auto limit = static_cast<uint64_t>(settings.database_limit);
    const uint64_t left = Less(limit, budget->others.in_database);
    if (left < budget->available) {
      budget->available = left;
      budget->bound = Bound::kDatabase;
      budget->reason =
          fmt::format("CONNECTION LIMIT {} of database {} − {} in use by other roles there", limit,
                      view.address.dbname, budget->others.in_database);
    }
  }
}

bool Speaks(const caps::Policy& policy, const ServerAddress& address) {
  if (policy.kind != caps::kCap) return false;
  caps::Policy target = policy;
  target.call_site = 0;
  // Whatever the programs call themselves, where the connection string does not say it.
  if (address.application_name.empty()) target.application_name[0] = '\0';
  const caps::Endpoint endpoint = {address.host.c_str(), address.port.c_str(),
                                   address.dbname.c_str(), address.user.c_str(),
                                   address.application_name.c_str()};
  return caps::Matches(target, &endpoint, 0);
}

CapDemand DemandOf(const caps::Policy& policy, const ServerAddress& address, const Budget& budget) {
  const uint64_t factor = FactorOf(policy.scope, budget.deploy);
  CapDemand cap;
  cap.name = policy.name;
  cap.scope = policy.scope;
  cap.limit = policy.rule.limit;
  cap.connections = Times(cap.limit, factor);
  cap.partial = policy.call_site != 0 ||
                (policy.application_name[0] != '\0' && address.application_name.empty());
  cap.warns = policy.rule.on_limit == caps::kWarn;
  cap.fits = cap.connections <= budget.available;
  if (!cap.fits) cap.lower = budget.available / factor;
  return cap;
}

std::string TooLarge(const CapDemand& cap, const ServerView& view, const Budget& budget) {
  std::string sentence = fmt::format("cap \"{}\": {}, but {} may have {}: {}", cap.name,
                                     DemandText(cap, budget.deploy), Whom(view.address),
                                     budget.available, budget.reason);
  if (cap.lower.value_or(0) != 0) {
    sentence += fmt::format("; a limit of {} or less fits", *cap.lower);
  } else {
    sentence += "; no limit fits: it takes fewer instances or workers, or a cap of a wider scope";
  }
  if (budget.bound == Bound::kServer) {
    const uint64_t missing = cap.connections - budget.available;
    sentence += fmt::format(", or max_connections of {} or more",
                            view.settings.max_connections > UINT64_MAX - missing
                                ? UINT64_MAX
                                : view.settings.max_connections + missing);
  }
  return sentence;
}

// The smallest of those that hold for every connection decides; the others are as large as they
// like. nullptr: there is none.
const CapDemand* Deciding(const std::vector<CapDemand>& caps) {
  const CapDemand* least = nullptr;
  for (const CapDemand& cap : caps) {
    if (!cap.partial && (least == nullptr || cap.connections < least->connections)) least = &cap;
  }
  return least;
}

void JudgeAgainstServer(const ServerView& view, Budget* budget) {
  const std::string whom = Whom(view.address);
  if (budget->caps.empty()) {
    budget->notes.push_back(fmt::format(
        "no cap of this configuration speaks of connections to {}: nothing limits them", whom));
    return;
  }
  const CapDemand* deciding = Deciding(budget->caps);
  if (deciding == nullptr) {
    budget->notes.push_back(fmt::format(
        "the caps hold for some of the connections to {} alone: others are not limited", whom));
  } else if (!deciding->fits) {
    budget->problems.push_back(TooLarge(*deciding, view, *budget));
  }
  for (const CapDemand& cap : budget->caps) {
    if (cap.warns) {
      budget->notes.push_back(fmt::format(
          "cap \"{}\" warns: what is beyond its limit is opened all the same", cap.name));
    }
    const bool let_through = deciding == nullptr || cap.connections < deciding->connections;
    if (cap.partial && !cap.fits && let_through)
      budget->problems.push_back(TooLarge(cap, view, *budget));
  }
}

// 'uses at once: 7 at its peak'; now, where that is as much.
std::string UsesAtOnce(uint64_t in_use, uint64_t peak) {
  return peak > in_use ? fmt::format("uses at once: {} at its peak", peak)
                       : fmt::format("uses at once: {} at this moment", in_use);
}

void JudgeProcesses(const CapDemand& cap, Budget* budget) {
  for (const MeasuredNeed& need : budget->needs) {
    if (std::max(need.in_use, need.peak) <= cap.limit) continue;
    budget->problems.push_back(fmt::format(
        "cap \"{}\": a limit of {} for each process is below what {} (process {}) {}", cap.name,
        cap.limit, need.service, need.pid, UsesAtOnce(need.in_use, need.peak)));
  }
}

// Peaks of several processes need not have come together: of these only the largest is certain.
void JudgeTogether(const CapDemand& cap, Budget* budget) {
  struct Sum {
    uint64_t in_use = 0;
    uint64_t largest_peak = 0;
    uint64_t processes = 0;
  };
  std::map<std::string, Sum> sums;
  for (const MeasuredNeed& need : budget->needs) {
    const bool service = cap.scope == caps::kScopeService;
    Sum& sum = sums[service ? need.service : fmt::format("user {}", need.uid)];
    sum.in_use += need.in_use;
    sum.largest_peak = std::max(sum.largest_peak, need.peak);
    ++sum.processes;
  }
  for (const auto& [whose, sum] : sums) {
    if (std::max(sum.in_use, sum.largest_peak) <= cap.limit) continue;
    const std::string whom = sum.largest_peak > sum.in_use
                                 ? fmt::format("one process of {}", whose)
                                 : fmt::format("{} ({} process{})", whose, sum.processes,
                                               sum.processes == 1 ? "" : "es");
    budget->problems.push_back(
        fmt::format("cap \"{}\": a limit of {} for all processes together is below what {} {}",
                    cap.name, cap.limit, whom, UsesAtOnce(sum.in_use, sum.largest_peak)));
  }
}

// A cap for some of the connections is not judged: the need is that of all of them.
void JudgeAgainstNeed(Budget* budget) {
  for (const CapDemand& cap : budget->caps) {
    if (cap.partial) continue;
    if (cap.scope == caps::kScopeProcess) {
      JudgeProcesses(cap, budget);
    } else {
      JudgeTogether(cap, budget);
    }
  }
}

void AddNotes(const ServerView& view, Budget* budget) {
  budget->notes = view.missing;
  if (!budget->others.known) {
    budget->notes.emplace_back("what others have in use is not known, and not taken off");
  }
  if (view.settings.superuser) {
    budget->notes.push_back(fmt::format(
        "'{}' is a superuser: neither reserved slots nor a CONNECTION LIMIT holds for it; give the "
        "connection string of the service",
        view.address.user));
  }
  if (view.settings.through_pooler) {
    budget->notes.emplace_back(
        "this connection string leads through a pooler, whose own limits are not looked at");
  }
}

}  // namespace

OthersInUse CountOthers(const ServerView& view) {
  OthersInUse others;
  others.known = view.backends_known;
  for (const Backend& backend : view.backends) {
    if (!backend.takes_slot || backend.user == view.address.user) continue;
    ++others.on_server;
    others.in_database += backend.dbname == view.address.dbname;
  }
  return others;
}

std::string DemandText(const CapDemand& cap, const Deploy& deploy) {
  std::string text = Count(cap.limit, "connection");
  const auto times = [&](uint64_t factor, const char* noun) {
    text += fmt::format(" × {}", Count(factor, noun));
  };
  times(deploy.instances, "instance");
  if (cap.scope == caps::kScopeProcess) times(deploy.workers, "worker");
  return text + fmt::format(" = {}", cap.connections);
}

Budget MakeBudget(const ServerView& view, const std::vector<caps::Policy>& policies,
                  const Deploy& deploy, const std::vector<MeasuredNeed>& needs) {
  Budget budget;
  budget.deploy = deploy;
  budget.needs = needs;
  budget.others = CountOthers(view);
  SetServerBound(view, &budget);
  SetLimits(view, &budget);
  for (const caps::Policy& policy : policies) {
    if (Speaks(policy, view.address)) budget.caps.push_back(DemandOf(policy, view.address, budget));
  }
  AddNotes(view, &budget);
  JudgeAgainstServer(view, &budget);
  JudgeAgainstNeed(&budget);
  return budget;
}

}  // namespace pqleash::reporter
