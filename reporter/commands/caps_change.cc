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

#include "reporter/caps/caps_board.h"
#include "reporter/caps/policy_change.h"
#include "reporter/commands/caps_options.h"
#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/observe/collect.h"
#include "reporter/report/caps_use.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/words/caps_names.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"
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

std::string DirectoryOf(const Snapshot& snapshot) {
  return snapshot.process.ledger.substr(0, snapshot.process.ledger.rfind('/'));
}

// The living processes of a service, or of all.
std::vector<Snapshot> ProcessesOf(const std::string& service, const std::string& directory) {
  Selection selection;
  selection.directory = directory;
  if (!service.empty()) selection.services = {service};
  // What cannot be read is of no interest here: the cap is made all the same.
  return std::move(Collect(selection).snapshots);
}

// Those that the board in `directory` counts.
std::vector<Snapshot> In(const std::string& directory, std::vector<Snapshot> processes) {
  std::erase_if(processes,
                [&](const Snapshot& snapshot) { return DirectoryOf(snapshot) != directory; });
  return processes;
}

// How far a change goes.
struct Caution {
  bool force = false;    // though every next connect would wait or be refused
  bool dry_run = false;  // nothing is changed
};

void AddCautionOptions(CommandLine* line, Caution* caution) {
  line->AddFlag(
      "--force", &caution->force,
      "Do so, too, where as many are open already, so that every next connect waits or is "
      "refused");
  line->AddFlag("--dry-run", &caution->dry_run,
                "Change nothing, and say what it would have held back lately, by the ledgers of "
                "the processes that it holds for");
}

Said Refused(std::string_view command, const std::string& name, const std::string& service,
             const caps::Policy& policy, const CapsUse& use) {
  return Failed(fmt::format("{}: {}{}: {}; nothing was changed: give a limit above {}, or --force",
                            command, name,
                            service.empty() ? std::string() : " of service " + service,
                            WhyItHoldsAll(policy, use), use.open));
}

// What a dry run says of a policy.
Said Foretell(const std::string& title, const caps::Policy& policy, const CapsUse& use,
              const std::vector<Snapshot>& processes, bool held_all_before) {
  std::string text = fmt::format("{}: {} (dry run: nothing is changed)\n", title,
                                 RuleText(policy.kind, policy.rule));
  if (use.processes == 0) {
    return Done(text + "  no process that it holds for has a ledger here\n");
  }
  text += fmt::format("  {}\n", Consequence(policy, policy.rule, use.open, 0));
  text += fmt::format("  {}\n", DescribeWouldHold(WouldHaveHeld(policy, processes)));
  if (HoldsAll(policy, use) && !held_all_before) text += "  refused without --force\n";
  return Done(std::move(text));
}

struct NewPolicy {
  std::string name;
  std::string service;  // empty: of scope user
  caps::Policy policy;
};

Said InstallOne(const NewPolicy& wanted, const CapsUse& use, const std::string& directory) {
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
    if (use.processes == 0) {
      result += "  no process that it holds for has a ledger here; it holds for those that start\n";
    } else {
      result += fmt::format("  holds for {} {} from the next connect on\n  {}\n", use.processes,
                            use.processes == 1 ? "process" : "processes",
                            Consequence(wanted.policy, wanted.policy.rule, use.open, 0));
    }
    return Done(std::move(result));
  });
}

// Where a new policy goes; no value: it cannot be told, and that was said.
std::optional<std::string> DirectoryFor(const NewPolicy& wanted,
                                        const std::vector<Snapshot>& processes,
                                        const std::vector<std::string>& directories) {
  if (directories.size() == 1) return directories.front();
  std::set<std::string> used;
  for (const Snapshot& snapshot : processes) used.insert(DirectoryOf(snapshot));
  if (!wanted.service.empty() && used.size() == 1) return *used.begin();
  Diagnose(fmt::format(
      "caps add: {} directories have ledgers{}: say which one with --dir", directories.size(),
      wanted.service.empty()
          ? std::string()
          : fmt::format(", and service {} runs in {} of them", wanted.service, used.size())));
  return std::nullopt;
}

// What is known of the connections of a policy that is in force: the board knows of processes that
// have no ledger, the ledgers of connections that no board has counted yet.
CapsUse UseAt(const ChangeTarget& target, const caps::Policy& policy,
              const std::vector<Snapshot>& processes) {
  CapsUse use = CapsUseOf(policy, processes);
  const uint64_t on_board = target.policy->counters.use;
  if (on_board <= use.open) return use;
  use.open = on_board;
  use.processes = std::max<uint64_t>(use.processes, 1);
  use.processes_at_limit = use.processes;
  return use;
}

// One change of `caps set`, or what would come of it.
struct PlannedChange {
  const ChangeTarget* target = nullptr;
  caps::Policy policy;  // with the rule that it is to have
  std::vector<Snapshot> processes;
  CapsUse use;
  bool milder = false;  // than what is in force: it holds back no more than that did
};

PlannedChange Plan(const ChangeTarget& target, const caps::Policy& policy,
                   const std::vector<Snapshot>& all) {
  PlannedChange change{.target = &target, .policy = policy, .processes = {}, .use = {}};
  change.processes = In(target.board->directory, all);
  const std::string& service = target.policy->service;
  std::erase_if(change.processes, [&](const Snapshot& snapshot) {
    return !service.empty() && snapshot.process.service != service;
  });
  change.use = UseAt(target, policy, change.processes);
  const caps::Rule& before = target.policy->rule;
  change.milder =
      before.on_limit != caps::kWarn && policy.rule.limit >= before.limit &&
      (policy.rule.on_limit == before.on_limit || policy.rule.on_limit != caps::kReject);
  return change;
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
  Caution caution;
  line.AddOperand("NAME", &name, "Name of the cap or pace");
  line.Require("NAME");
  AddServiceOption(&line, &service, "Only that of this service (default: of all that have it)");
  AddRuleOptions(&line, &given);
  AddCautionOptions(&line, &caution);
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
  const std::vector<Snapshot> processes = ProcessesOf(service, directory);
  std::vector<PlannedChange> changes;
  // All or nothing, where usage is wrong or something is refused.
  for (const ChangeTarget& target : targets) {
    caps::Policy policy = target.policy->filed;
    policy.rule = target.policy->rule;
    if (const auto problem = ApplyOptions(given, &policy)) return UsageError("caps set", *problem);
    changes.push_back(Plan(target, policy, processes));
  }
  int exit_code = complete;
  for (const PlannedChange& change : changes) {
    const std::string title = PolicyTitle(name, change.target->policy->service);
    if (caution.dry_run) {
      exit_code = std::max(exit_code, Say(Foretell(title, change.policy, change.use,
                                                   change.processes, change.milder)));
    } else if (!caution.force && !change.milder && HoldsAll(change.policy, change.use)) {
      return Say(
          Refused("caps set", name, change.target->policy->service, change.policy, change.use));
    }
  }
  if (caution.dry_run) return std::max(exit_code, FinishOutput());
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
  Caution caution;
  line.AddOperand("NAME", &wanted.name, "Name of the new cap or pace");
  line.Require("NAME");
  AddServiceOption(&line, &wanted.service,
                   "Name of the service, as in `pqleash ps` (of scope process and service)");
  AddScopeOptions(&line, &given);
  AddRuleOptions(&line, &given);
  AddCautionOptions(&line, &caution);
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

  std::vector<Snapshot> processes = ProcessesOf(wanted.service, directory);
  const std::optional<std::string> place =
      DirectoryFor(wanted, processes, LedgerDirectories(directory, geteuid()));
  if (!place) return kFailed;
  processes = In(*place, std::move(processes));
  const CapsUse use = CapsUseOf(wanted.policy, processes);
  const std::string title = PolicyTitle(wanted.name, wanted.service);
  Said said;
  if (caution.dry_run) {
    said = Foretell(title, wanted.policy, use, processes, /*held_all_before=*/false);
  } else if (!caution.force && HoldsAll(wanted.policy, use)) {
    said = Refused("caps add", wanted.name, wanted.service, wanted.policy, use);
  } else {
    said = InstallOne(wanted, use, *place);
  }
  const int exit_code = Say(said);
  return std::max(exit_code, FinishOutput());
}

}  // namespace pqleash::reporter
