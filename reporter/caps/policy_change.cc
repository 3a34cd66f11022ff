// SPDX-License-Identifier: Apache-2.0

#include "reporter/caps/policy_change.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string_view>

#include "reporter/words/caps_names.h"
#include "reporter/words/escape.h"
#include "reporter/words/exit_code.h"
#include "shim/config/values.h"
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

// Calls `change` with the board of `target`, mapped, and the number that the policy has there.
Said Change(const ChangeTarget& target, const std::function<Said(caps::Board*, uint32_t)>& change) {
  const caps::BoardPlace& place = target.board->name.place;
  const caps::BoardPlace here = caps::ThisPlace();
  if (place.pid_namespace != here.pid_namespace) {
    return Failed(
        fmt::format("board {} is of another pid namespace, whose processes cannot be told "
                    "apart from here: run pqleash inside of that container",
                    target.board->path));
  }
  if (place != here) {
    return Failed(fmt::format("board {} is of another {}, whose clock is not the one here: {}",
                              target.board->path,
                              place.boot != here.boot ? "boot" : "time namespace",
                              place.boot != here.boot ? "remove it, nothing uses it any more"
                                                      : "run pqleash inside of that container"));
  }
  const std::string& service = target.policy->service;
  return WithBoard(target.board->directory, false, [&](caps::Board* board) {
    const auto number = FindPolicy(*board, target.policy->filed.name, service);
    if (number) return change(board, *number);
    return Failed(NotFound(target.policy->filed.name, service, {}));
  });
}

}  // namespace

Said WrongUsage(std::string_view command, const std::string& sentence) {
  return {kUsage, "", fmt::format("{}: {}; see `pqleash {} --help`", command, sentence, command)};
}

Said Locked(const std::string& directory) {
  return Failed(
      fmt::format("the board in {} is locked by a process that does not go on, say one that a "
                  "debugger has stopped: nothing was changed; try again when it goes on",
                  directory));
}

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

std::optional<uint32_t> FindPolicy(const caps::Board& board, const std::string& name,
                                   const std::string& service) {
  for (uint32_t i = 0; i < caps::kMaxPolicies; ++i) {
    if (board.record(i).origin != caps::kFromNobody && name == PolicyAt(board, i).name &&
        service == ServiceAt(board, i)) {
      return i;
    }
  }
  return std::nullopt;
}

std::string PolicyTitle(const std::string& name, const std::string& service) {
  return service.empty() ? Escape(name)
                         : fmt::format("{} (service {})", Escape(name), Escape(service));
}

std::string Consequence(const caps::Policy& policy, const caps::Rule& rule, uint64_t use,
                        uint64_t waiting) {
  std::string text;
  if (policy.kind == caps::kPace) {
    text = rule.interval_ns == 0
               ? std::string("connects are held back while the server is full")
               : fmt::format("beyond {} {}", RateText(rule.interval_ns), WhatHappens(rule));
  } else if (policy.scope == caps::kScopeProcess) {
    text = fmt::format(
        "{}in each process: where {} or more are open nothing is closed, and {}",
        use == 0 ? std::string() : fmt::format("in use {} of {} where most are; ", use, rule.limit),
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

std::string ConsequenceLine(const caps::Board& board, uint32_t number) {
  const caps::Policy policy = PolicyAt(board, number);
  return fmt::format(
      "  {}\n", Consequence(policy, policy.rule, board.use(number), board.record(number).waiting));
}

Said SetOne(const ChangeTarget& target, const PolicyOptions& given, int32_t pid) {
  return Change(target, [&](caps::Board* board, uint32_t number) -> Said {
    caps::Policy policy = PolicyAt(*board, number);
    const caps::Rule before = policy.rule;
    if (const auto problem = ApplyOptions(given, &policy)) return WrongUsage("caps set", *problem);
    const std::string title = PolicyTitle(policy.name, target.policy->service);
    if (std::memcmp(&before, &policy.rule, sizeof before) == 0) {
      return Done(fmt::format("{}: {} already\n", title, RuleText(policy.kind, before)));
    }
    if (!board->Override(number, policy.rule, pid, Now())) {
      return Locked(target.board->directory);
    }
    return Done(fmt::format("{}: {} -> {}\n", title, RuleText(policy.kind, before),
                            RuleText(policy.kind, policy.rule)) +
                ConsequenceLine(*board, number));
  });
}

Said ResetOne(const ChangeTarget& target, int32_t pid) {
  return Change(target, [&](caps::Board* board, uint32_t number) -> Said {
    const caps::Policy policy = PolicyAt(*board, number);
    const std::string title = PolicyTitle(policy.name, target.policy->service);
    if (board->record(number).origin == caps::kFromOperator) {
      board->Retire(number, Now(), pid);
      if (board->record(number).origin != caps::kFromNobody) {
        return Locked(target.board->directory);
      }
      return Done(fmt::format("{}: {} -> removed\n", title, RuleText(policy.kind, policy.rule)));
    }
    if (board->record(number).overridden == 0) {
      return Done(fmt::format("{}: {}, as the file says already\n", title,
                              RuleText(policy.kind, policy.rule)));
    }
    if (!board->Reset(number, pid, Now())) return Locked(target.board->directory);
    return Done(fmt::format("{}: {} -> {}, as the file says\n", title,
                            RuleText(policy.kind, policy.rule),
                            RuleText(policy.kind, board->record(number).rule)) +
                ConsequenceLine(*board, number));
  });
}

Said SetLimit(const std::string& directory, const std::string& board, const std::string& name,
              const std::string& service, const std::string& limit) {
  const CollectedBoards collected = CollectBoards(directory);
  for (const ChangeTarget& target : Targets(collected, name, service)) {
    // Empty is that of the user here, and not of any.
    if (target.board->path != board || target.policy->service != service) continue;
    return SetOne(target, {{"limit", limit}}, getpid());
  }
  return Failed(NotFound(name, service, {}));
}

}  // namespace pqleash::reporter
