// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/caps_change.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "reporter/commands/caps_board.h"
#include "reporter/commands/caps_options.h"
#include "reporter/commands/collect.h"
#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/commands/output.h"
#include "reporter/commands/policy_change.h"
#include "reporter/render/caps_names.h"
#include "reporter/snapshot/ledger_directory.h"
#include "shim/ledger/layout.h"
#include "shim/support/clock.h"

namespace pqleash::reporter {
namespace {

std::vector<std::string> Names(const CollectedBoards& collected) {
  std::vector<std::string> names;
  for (const ChangeTarget& target : Targets(collected, "", "")) {
    names.emplace_back(target.policy->filed.name);
  }
  return names;
}

// Prints what came of something. The exit code.
int Say(const Said& said) {
  std::cout << said.result;
  if (!said.problem.empty()) Diagnose(said.problem);
  return said.exit_code;
}

int UsageError(std::string_view command, const std::string& sentence) {
  return Say(WrongUsage(command, sentence));
}

// The worst of all; goes on after a failure.
int ForEachTarget(const std::vector<ChangeTarget>& targets, int exit_code,
                  const std::function<Said(const ChangeTarget&)>& change) {
  for (const ChangeTarget& target : targets) exit_code = std::max(exit_code, Say(change(target)));
  return std::max(exit_code, FinishOutput());
}

void AddServiceOption(CommandLine* line, std::string* service, const std::string& help) {
  const auto take = [service](const std::string& name) -> Complaint {
    if (name.empty() || name.size() > ledger::kMaxServiceName) {
      return fmt::format("'{}' has {} bytes, expected 1 to {}", name, name.size(),
                         ledger::kMaxServiceName);
    }
    *service = name;
    return {};
  };
  line->AddTaken("--service", "NAME", take, help);
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

Said InstallOne(const NewPolicy& wanted, const ServiceProcesses& processes,
                const std::string& directory) {
  return WithBoard(directory, true, [&](caps::Board* board) -> Said {
    if (FindPolicy(*board, wanted.name, wanted.service)) {
      return Failed(fmt::format(
          "there is a {} '{}'{} already: change it with `pqleash caps set`, or "
          "take another name",
          KindName(wanted.policy.kind), wanted.name,
          wanted.service.empty() ? std::string(" of the user") : " of service " + wanted.service));
    }
    bool differs = false;
    const uint32_t number =
        board->Install(wanted.policy, wanted.service.c_str(), caps::kFromOperator, 0,
                       ReadClock(CLOCK_REALTIME), Now(), &differs, getpid());
    if (number == caps::kLockBusy) return Locked(directory);
    if (number == caps::kNoPolicyNumber) {
      return Failed(
          fmt::format("the board in {} is full: {} caps and paces are in force; remove one "
                      "that was made by `pqleash caps add` with `pqleash caps reset`",
                      directory, caps::kMaxPolicies));
    }
    std::string result = fmt::format("{}: {}\n", PolicyTitle(wanted.name, wanted.service),
                                     RuleText(wanted.policy.kind, wanted.policy.rule));
    if (processes.pids.empty()) {
      result += "  no process that it holds for has a ledger here; it holds for those that start\n";
    } else {
      result += fmt::format("  holds for {} {} from the next connect on\n", processes.pids.size(),
                            processes.pids.size() == 1 ? "process" : "processes");
    }
    return Done(std::move(result));
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

int RunCapsSet(const Arguments& arguments) {
  CommandLine line(
      "Change a cap or a pace in running processes, from their next connect on. What is open stays "
      "open. `pqleash caps reset` takes it back.");
  std::string name;
  std::string service;
  std::string directory;
  PolicyOptions given;
  line.AddOperand("NAME", &name, "Name of the cap or pace");
  line.Require("NAME");
  AddServiceOption(&line, &service, "Only that of this service (default: of all that have it)");
  AddRuleOptions(&line, &given);
  AddDirectoryOption(&line, &directory);
  if (const auto exit_code = line.Parse("caps set", arguments)) return *exit_code;
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
  CommandLine line(
      "Take changes by `pqleash caps set` back, and remove what `pqleash caps add` has made.");
  std::string name;
  std::string service;
  std::string directory;
  bool all = false;
  line.AddOperand("NAME", &name, "Name of the cap or pace");
  AddServiceOption(&line, &service, "Only that of this service (default: of all that have it)");
  line.AddFlag("--all", &all, "All that were changed or made");
  AddDirectoryOption(&line, &directory);
  if (const auto exit_code = line.Parse("caps reset", arguments)) return *exit_code;
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
  CommandLine line(
      "Make a cap, or with --rate a pace, for running processes and those that start, until "
      "`pqleash caps reset` removes it.");
  NewPolicy wanted;
  std::string directory;
  PolicyOptions given;
  line.AddOperand("NAME", &wanted.name, "Name of the new cap or pace");
  line.Require("NAME");
  AddServiceOption(&line, &wanted.service,
                   "Name of the service, as in `pqleash ps` (of scope process and service)");
  AddScopeOptions(&line, &given);
  AddRuleOptions(&line, &given);
  AddDirectoryOption(&line, &directory);
  if (const auto exit_code = line.Parse("caps add", arguments)) return *exit_code;
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
  const int made = Say(InstallOne(wanted, processes, *place));
  return std::max(made, FinishOutput());
}

}  // namespace pqleash::reporter
