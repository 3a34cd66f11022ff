// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/caps_change.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <iostream>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "reporter/commands/caps_board.h"
#include "reporter/commands/caps_options.h"
#include "reporter/commands/collect.h"
#include "reporter/commands/options.h"
#include "reporter/commands/output.h"
#include "reporter/render/caps_names.h"
#include "reporter/render/escape.h"
#include "reporter/snapshot/ledger_directory.h"
#include "shim/config/values.h"
#include "shim/ledger/layout.h"
#include "shim/support/clock.h"

namespace pqleash::reporter {
namespace {

// Bytes of a policy may change while they are looked at: copies, terminated.
caps::Policy PolicyAt(const caps::Board& board, uint32_t number) {
  caps::Policy policy = board.record(number).filed;
  policy.name[sizeof policy.name - 1] = '\0';
  policy.rule = board.record(number).rule;
  return policy;
}

std::string ServiceAt(const caps::Board& board, uint32_t number) {
  const caps::Record& record = board.record(number);
  return std::string(record.service, strnlen(record.service, sizeof record.service));
}

// The number of the policy of that name and service; no value: it is not there.
std::optional<uint32_t> Find(const caps::Board& board, const std::string& name,
                             const std::string& service) {
  for (uint32_t i = 0; i < caps::kMaxPolicies; ++i) {
    if (board.record(i).origin != caps::kFromNobody && name == PolicyAt(board, i).name &&
        service == ServiceAt(board, i)) {
      return i;
    }
  }
  return std::nullopt;
}

// 'billing (service shop)'.
std::string Title(const std::string& name, const std::string& service) {
  return service.empty() ? Escape(name)
                         : fmt::format("{} (service {})", Escape(name), Escape(service));
}

int UsageError(std::string_view command, const std::string& sentence) {
  Diagnose(fmt::format("{}: {}; see `pqleash {} --help`", command, sentence, command));
  return kUsage;
}

int Locked(const std::string& directory) {
  Diagnose(
      fmt::format("the board in {} is locked by a process that does not go on, say one that a "
                  "debugger has stopped: nothing was changed; try again when it goes on",
                  directory));
  return kFailed;
}

std::string WhatHappens(const caps::Rule& rule) {
  switch (rule.on_limit) {
    case caps::kWait:
      return "new connects wait";
    case caps::kReject:
      return "new connects are refused";
    default:
      return "new connects go on and are counted as beyond it";
  }
}

// What a rule means from now on.
std::string Consequence(const caps::Policy& policy, const caps::Rule& rule, uint64_t use,
                        uint64_t waiting) {
  std::string text;
  if (policy.kind == caps::kPace) {
    text = rule.interval_ns == 0
               ? std::string("connects are held back while the server is full")
               : fmt::format("beyond {} {}", RateText(rule.interval_ns), WhatHappens(rule));
  } else if (policy.scope == caps::kScopeProcess) {
    text = fmt::format("in each process: where {} or more are open nothing is closed, and {}",
                       rule.limit, WhatHappens(rule));
  } else if (use < rule.limit) {
    text = fmt::format("in use {} of {}: {} more may connect, then {}", use, rule.limit,
                       rule.limit - use, WhatHappens(rule));
  } else {
    text = fmt::format("in use {} of {}: nothing is closed; {} until fewer than {} are open", use,
                       rule.limit, WhatHappens(rule), rule.limit);
  }
  if (waiting != 0) text += fmt::format("; {} wait now", waiting);
  return text;
}

void SayConsequence(const caps::Board& board, uint32_t number) {
  const caps::Policy policy = PolicyAt(board, number);
  std::cout << "  "
            << Consequence(policy, policy.rule, board.use(number), board.record(number).waiting)
            << '\n';
}

// A policy that a command is about.
struct ChangeTarget {
  const SharedBoard* board;
  const BoardPolicy* policy;
};

// Those called `name` (empty: all) of `service` (empty: of any).
std::vector<ChangeTarget> Targets(const CollectedBoards& collected, const std::string& name,
                                  const std::string& service) {
  std::vector<ChangeTarget> targets;
  for (const SharedBoard& board : collected.boards) {
    for (const BoardPolicy& policy : board.snapshot.policies) {
      const bool named = name.empty() || name == policy.filed.name;
      if (named && (service.empty() || service == policy.service)) {
        targets.push_back({&board, &policy});
      }
    }
  }
  return targets;
}

std::vector<std::string> Names(const CollectedBoards& collected) {
  std::vector<std::string> names;
  for (const ChangeTarget& target : Targets(collected, "", "")) {
    names.emplace_back(target.policy->filed.name);
  }
  return names;
}

// Calls `change` with the board of `target`, mapped, and the number that the policy has there.
int Change(const ChangeTarget& target, const std::function<int(caps::Board*, uint32_t)>& change) {
  if (target.board->name.pid_namespace != OwnPidNamespace()) {
    Diagnose(
        fmt::format("board {} is of another pid namespace, whose processes cannot be told "
                    "apart from here: run pqleash inside of that container",
                    target.board->path));
    return kFailed;
  }
  const std::string& service = target.policy->service;
  return WithBoard(target.board->directory, false, [&](caps::Board* board) {
    const auto number = Find(*board, target.policy->filed.name, service);
    if (number) return change(board, *number);
    Diagnose(NotFound(target.policy->filed.name, service, {}));
    return static_cast<int>(kFailed);
  });
}

int SetOne(const ChangeTarget& target, const PolicyOptions& given, int32_t pid) {
  return Change(target, [&](caps::Board* board, uint32_t number) -> int {
    caps::Policy policy = PolicyAt(*board, number);
    const caps::Rule before = policy.rule;
    if (const auto problem = ApplyOptions(given, &policy)) return UsageError("caps set", *problem);
    const std::string title = Title(policy.name, target.policy->service);
    if (std::memcmp(&before, &policy.rule, sizeof before) == 0) {
      std::cout << fmt::format("{}: {} already\n", title, RuleText(policy.kind, before));
      return kFine;
    }
    if (!board->Override(number, policy.rule, pid, Now())) {
      return Locked(target.board->directory);
    }
    std::cout << fmt::format("{}: {} -> {}\n", title, RuleText(policy.kind, before),
                             RuleText(policy.kind, policy.rule));
    SayConsequence(*board, number);
    return kFine;
  });
}

int ResetOne(const ChangeTarget& target, int32_t pid) {
  return Change(target, [&](caps::Board* board, uint32_t number) -> int {
    const caps::Policy policy = PolicyAt(*board, number);
    const std::string title = Title(policy.name, target.policy->service);
    if (board->record(number).origin == caps::kFromOperator) {
      board->Retire(number, Now(), pid);
      if (board->record(number).origin != caps::kFromNobody) {
        return Locked(target.board->directory);
      }
      std::cout << fmt::format("{}: {} -> removed\n", title, RuleText(policy.kind, policy.rule));
      return kFine;
    }
    if (board->record(number).overridden == 0) {
      std::cout << fmt::format("{}: {}, as the file says already\n", title,
                               RuleText(policy.kind, policy.rule));
      return kFine;
    }
    if (!board->Reset(number, pid, Now())) return Locked(target.board->directory);
    std::cout << fmt::format("{}: {} -> {}, as the file says\n", title,
                             RuleText(policy.kind, policy.rule),
                             RuleText(policy.kind, board->record(number).rule));
    SayConsequence(*board, number);
    return kFine;
  });
}

// The worst of all; goes on after a failure.
int ForEachTarget(const std::vector<ChangeTarget>& targets, int exit_code,
                  const std::function<int(const ChangeTarget&)>& change) {
  for (const ChangeTarget& target : targets) exit_code = std::max(exit_code, change(target));
  return std::max(exit_code, FinishOutput());
}

void AddServiceOption(CLI::App* app, std::string* service, const std::string& help) {
  app->add_option("--service", *service, help)
      ->type_name("NAME")
      ->check([](const std::string& name) {
        if (!name.empty() && name.size() <= ledger::kMaxServiceName) return std::string();
        return fmt::format("'{}' has {} bytes, expected 1 to {}", name, name.size(),
                           ledger::kMaxServiceName);
      });
}

// The living processes of a service, or of all: their pids, and the directories of their ledgers.
struct ServiceProcesses {
  std::vector<int32_t> pids;
  std::set<std::string> directories;
};

ServiceProcesses ProcessesOf(const std::string& service, const std::string& directory) {
  Selection selection;
  selection.directory = directory;
  if (!service.empty()) selection.services = {service};
  ServiceProcesses processes;
  // What cannot be read is of no interest here: the cap is made all the same.
  for (const Snapshot& snapshot : Collect(selection).snapshots) {
    const Process& process = snapshot.process;
    processes.pids.push_back(process.visible_pid != 0 ? process.visible_pid : process.pid);
    processes.directories.insert(process.ledger.substr(0, process.ledger.rfind('/')));
  }
  return processes;
}

struct NewPolicy {
  std::string name;
  std::string service;  // empty: of scope user
  caps::Policy policy;
};

int InstallOne(const NewPolicy& wanted, const ServiceProcesses& processes,
               const std::string& directory) {
  return WithBoard(directory, true, [&](caps::Board* board) -> int {
    if (Find(*board, wanted.name, wanted.service)) {
      Diagnose(fmt::format(
          "there is a {} '{}'{} already: change it with `pqleash caps set`, or "
          "take another name",
          KindName(wanted.policy.kind), wanted.name,
          wanted.service.empty() ? std::string(" of the user") : " of service " + wanted.service));
      return kFailed;
    }
    bool differs = false;
    const uint32_t number =
        board->Install(wanted.policy, wanted.service.c_str(), caps::kFromOperator, 0,
                       ReadClock(CLOCK_REALTIME), Now(), &differs, getpid());
    if (number == caps::kNoPolicyNumber) {
      uint32_t free = 0;
      for (uint32_t i = 0; i < caps::kMaxPolicies; ++i) {
        free += board->record(i).origin == caps::kFromNobody ? 1 : 0;
      }
      if (free != 0) return Locked(directory);
      Diagnose(
          fmt::format("the board in {} is full: {} caps and paces are in force; remove one "
                      "that was made by `pqleash caps add` with `pqleash caps reset`",
                      directory, caps::kMaxPolicies));
      return kFailed;
    }
    std::cout << fmt::format("{}: {}\n", Title(wanted.name, wanted.service),
                             RuleText(wanted.policy.kind, wanted.policy.rule));
    if (processes.pids.empty()) {
      std::cout << "  no process that it holds for has a ledger here; it holds for those that "
                   "start\n";
    } else {
      std::cout << fmt::format("  holds for {} {} from the next connect on\n",
                               processes.pids.size(),
                               processes.pids.size() == 1 ? "process" : "processes");
    }
    return kFine;
  });
}

// Where a new policy goes; no value: it cannot be told, and that was said.
std::optional<std::string> DirectoryFor(const NewPolicy& wanted, const ServiceProcesses& processes,
                                        const std::vector<std::string>& directories) {
  if (directories.size() == 1) return directories.front();
  if (!wanted.service.empty() && processes.directories.size() == 1) {
    return *processes.directories.begin();
  }
  Diagnose(fmt::format(
      "caps add: {} directories have ledgers{}: say which one with --dir", directories.size(),
      wanted.service.empty() ? std::string()
                             : fmt::format(", and service {} runs in {} of them", wanted.service,
                                           processes.directories.size())));
  return std::nullopt;
}

}  // namespace

std::string NotFound(const std::string& name, const std::string& service,
                     const std::vector<std::string>& names) {
  const std::string none = fmt::format("there is no cap and no pace called '{}'{}", name,
                                       service.empty() ? "" : " for service " + service);
  const std::string nearest = config::NearestName(name, names);
  if (nearest == name) return none + ": `pqleash caps` shows what there is";
  if (!nearest.empty()) return fmt::format("{}: did you mean '{}'?", none, nearest);
  return none + (names.empty() ? ", and no other: `pqleash caps add` makes one"
                               : ": `pqleash caps` shows what there is");
}

int RunCapsSet(const Arguments& arguments) {
  CLI::App app(
      "Change a cap or a pace in running processes, from their next connect on. What is open stays "
      "open. `pqleash caps reset` takes it back.");
  std::string name;
  std::string service;
  std::string directory;
  PolicyOptions given;
  app.add_option("NAME", name, "Name of the cap or pace")->type_name("")->required();
  AddServiceOption(&app, &service, "Only that of this service (default: of all that have it)");
  AddRuleOptions(&app, &given);
  AddDirectoryOption(&app, &directory);
  if (const auto exit_code = ParseArguments("caps set", arguments, &app)) return *exit_code;
  if (given.empty()) return UsageError("caps set", "nothing to change given, such as --limit 20");

  const CollectedBoards collected = CollectBoards(directory);
  const int complete = DiagnoseMissing(collected);
  const std::vector<ChangeTarget> targets = Targets(collected, name, service);
  if (targets.empty()) {
    Diagnose(NotFound(name, service, Names(collected)));
    return kFailed;
  }
  // All or nothing, where usage is wrong.
  for (const ChangeTarget& target : targets) {
    caps::Policy policy = target.policy->filed;
    policy.rule = target.policy->rule;
    if (const auto problem = ApplyOptions(given, &policy)) return UsageError("caps set", *problem);
  }
  const int32_t pid = getpid();
  return ForEachTarget(targets, complete,
                       [&](const ChangeTarget& target) { return SetOne(target, given, pid); });
}

int RunCapsReset(const Arguments& arguments) {
  CLI::App app(
      "Take changes by `pqleash caps set` back, and remove what `pqleash caps add` has made.");
  std::string name;
  std::string service;
  std::string directory;
  bool all = false;
  app.add_option("NAME", name, "Name of the cap or pace")->type_name("");
  AddServiceOption(&app, &service, "Only that of this service (default: of all that have it)");
  app.add_flag("--all", all, "All that were changed or made");
  AddDirectoryOption(&app, &directory);
  if (const auto exit_code = ParseArguments("caps reset", arguments, &app)) return *exit_code;
  if (all == !name.empty()) {
    return UsageError("caps reset", "expected either the name of a cap or pace, or --all");
  }

  const CollectedBoards collected = CollectBoards(directory);
  const int complete = DiagnoseMissing(collected);
  std::vector<ChangeTarget> targets = Targets(collected, name, service);
  if (!all && targets.empty()) {
    Diagnose(NotFound(name, service, Names(collected)));
    return kFailed;
  }
  if (all) {
    std::erase_if(targets, [](const ChangeTarget& target) {
      return !target.policy->overridden && !target.policy->from_operator;
    });
    if (targets.empty()) std::cout << "Nothing to reset: none was changed or made from outside.\n";
  }
  const int32_t pid = getpid();
  return ForEachTarget(targets, complete,
                       [&](const ChangeTarget& target) { return ResetOne(target, pid); });
}

int RunCapsAdd(const Arguments& arguments) {
  CLI::App app(
      "Make a cap, or with --rate a pace, for running processes and those that start, until "
      "`pqleash caps reset` removes it.");
  NewPolicy wanted;
  std::string directory;
  PolicyOptions given;
  app.add_option("NAME", wanted.name, "Name of the new cap or pace")->type_name("")->required();
  AddServiceOption(&app, &wanted.service,
                   "Name of the service, as in `pqleash ps` (of scope process and service)");
  AddScopeOptions(&app, &given);
  AddRuleOptions(&app, &given);
  AddDirectoryOption(&app, &directory);
  if (const auto exit_code = ParseArguments("caps add", arguments, &app)) return *exit_code;
  if (const auto problem = MakePolicy(wanted.name, given, &wanted.policy)) {
    return UsageError("caps add", *problem);
  }
  const bool of_user = wanted.policy.scope == caps::kScopeUser;
  if (of_user && !wanted.service.empty()) {
    return UsageError("caps add", "--scope user holds for all services: take --service out");
  }
  if (!of_user && wanted.service.empty()) {
    return UsageError("caps add", fmt::format("--scope {} needs --service NAME, as in `pqleash ps`",
                                              ScopeName(wanted.policy.scope)));
  }

  const ServiceProcesses processes = ProcessesOf(wanted.service, directory);
  const std::optional<std::string> place =
      DirectoryFor(wanted, processes, LedgerDirectories(directory, geteuid()));
  if (!place) return kFailed;
  const int made = InstallOne(wanted, processes, *place);
  return std::max(made, FinishOutput());
}

}  // namespace pqleash::reporter
