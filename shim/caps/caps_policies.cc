// SPDX-License-Identifier: Apache-2.0
//
// Decides which policies are in force for the process, and which connections count for them.

#include <cstring>

#include "shim/caps/caps.h"
#include "shim/log/log.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"
#include "shim/support/undisturbed_lock.h"

namespace pqleash::caps {

namespace {

constexpr uint64_t kFileIntervalNs = 1'000'000'000;

Policy FiledOn(const Board& board, uint32_t number) {
  Policy policy = board.record(number).filed;
  policy.name[kMaxPolicyName] = '\0';
  return policy;
}

}  // namespace

void Caps::Refresh(uint64_t now) {
  const bool changed = Shared().attached() &&
                       Shared().generation() != seen_generation_.load(std::memory_order_relaxed);
  const uint64_t looked = looked_at_file_ns_.load(std::memory_order_relaxed);
  // A connect may go on without a cap once, but the policies must come into force again soon.
  const bool again = locked_out_since_ns_.load(std::memory_order_relaxed) != 0;
  const bool another_user = !start_.few_calls && boards_.OfAnotherUser();
  if (!changed && !again && !another_user && now < looked + kFileIntervalNs) return;
  const HostStateKeeper keeper;
  const BoundedLockHolder lock(renewing_);
  if (!lock.held()) return;
  looked_at_file_ns_.store(now, std::memory_order_relaxed);
  if (own_.attached()) NoteEpisodes(own_, now);
  if (Shared().attached()) NoteEpisodes(Shared(), now);
  const bool reread = start_.surveyor->ReadAgain(&configured_);
  const bool followed = FollowBoard(now);
  if (changed || reread || again || followed) Renew(now);
  // This also enrols connects that were under way while the board changed.
  if (changed || reread || again || now < enrol_until_ns_) Enrol(now);
}

// REQUIRES for this and the following functions except Sure and Matching: the caller holds
// renewing_.
void Caps::Renew(uint64_t now) {
  const uint64_t before = applying_.load(std::memory_order_relaxed);
  uint64_t applying = AdoptConfigured(now);
  if (Shared().attached()) {
    ForEach(before & ~applying, [&](uint32_t i) {
      if (!Configures(policies_[i].name))
        Shared().RetireFiled(i, policies_[i].name, configured_.source, configured_.stamp, now);
    });
    // The process need not hear of its own changes.
    seen_generation_.store(Shared().generation(), std::memory_order_relaxed);
    applying |= AdoptAdded(applying, now);
    ForEach(applying, [&](uint32_t i) { LogChange(i); });
    ForEach(before & ~applying, [&](uint32_t i) { LogRemoval(i); });
  }
  // Entries that wait for these on the own board are let go.
  const uint64_t own_mask = own_mask_.load(std::memory_order_relaxed);
  if (own_.attached())
    ForEach(before & ~applying & own_mask, [&](uint32_t i) { own_.Retire(i, now); });
  uint64_t conditional = 0;
  uint64_t by_site = 0;
  ForEach(applying, [&](uint32_t i) {
    if (HasTarget(policies_[i])) conditional |= Bit(i);
    if (policies_[i].call_site != 0) by_site |= Bit(i);
  });
  applying_.store(applying, std::memory_order_relaxed);
  conditional_.store(conditional, std::memory_order_relaxed);
  by_site_.store(by_site, std::memory_order_relaxed);
  version_.fetch_add(1, std::memory_order_release);
}

// Puts the policies of the configuration in force. Returns their numbers.
uint64_t Caps::AdoptConfigured(uint64_t now) {
  uint64_t adopted = 0;
  uint32_t locked_out = 0;
  for (uint32_t i = 0; i < configured_.count; ++i) {
    const Policy& policy = configured_.policies[i];
    uint32_t number = Shared().attached() ? Install(policy, now) : i;
    if (number == kLockBusy) {
      ++locked_out;
      number = InForce(policy);  // keeps the policy as it was
    }
    if (number == kNoPolicyNumber || !Adopt(number, policy, kFromConfig, now)) continue;
    // The newest file decides for all processes; for scope process each process has its own policy.
    const bool for_all = Shared().attached() && policy.scope != kScopeProcess;
    Keep(number, for_all ? FiledOn(Shared(), number) : policy);
    adopted |= Bit(number);
  }
  NoteLockedOut(locked_out, now);
  return adopted;
}

// Returns the number of the policy of that name that is in force, or kNoPolicyNumber.
uint32_t Caps::InForce(const Policy& policy) const {
  uint32_t number = kNoPolicyNumber;
  ForEach(applying_.load(std::memory_order_relaxed), [&](uint32_t i) {
    if (strcmp(policies_[i].name, policy.name) == 0) number = i;
  });
  return number;
}

// Logs when policies stop being in force because the board is locked, and when all are in force
// again.
void Caps::NoteLockedOut(uint32_t policies, uint64_t now) {
  const uint64_t since = locked_out_since_ns_.load(std::memory_order_relaxed);
  if ((policies != 0) == (since != 0)) return;
  locked_out_since_ns_.store(policies != 0 ? now : 0, std::memory_order_relaxed);
  if (policies != 0) {
    log::Write(log::Level::kError, log::Event::kPolicyLockedOut,
               {log::Field::Number("policies", policies)},
               "from now on %u caps and paces of the configuration are not in force as configured: "
               "the board in %s is locked by a process that does not run, for example because a "
               "debugger has stopped it; pqleash tries again at each connect",
               policies, start_.directory);
    return;
  }
  log::Write(log::Level::kWarn, log::Event::kPolicyLockedOut,
             {log::Field::Number("policies", 0), log::Field::Seconds("lasted_s", now - since)},
             "all caps and paces of the configuration are in force, after %.1f s without",
             ToSeconds(now - since));
}

// Puts policies that operators have added for this process in force, beside `applying`. Returns
// their numbers.
uint64_t Caps::AdoptAdded(uint64_t applying, uint64_t now) {
  uint64_t adopted = 0;
  for (uint32_t i = 0; i < Shared().policies_used(); ++i) {
    const Record& record = Shared().record(i);
    const bool ours = record.origin == kFromOperator &&
                      (record.service[0] == '\0' || strcmp(record.service, start_.service) == 0);
    if (!ours || Contains(applying, i)) continue;
    const Policy policy = FiledOn(Shared(), i);
    if (!Adopt(i, policy, kFromOperator, now)) continue;
    Keep(i, policy);
    adopted |= Bit(i);
  }
  return adopted;
}

bool Caps::Configures(const char* name) const {
  for (uint32_t i = 0; i < configured_.count; ++i) {
    if (strcmp(configured_.policies[i].name, name) == 0) return true;
  }
  return false;
}

// Enters a configured policy on the shared board. Returns kNoPolicyNumber if it cannot be enforced.
uint32_t Caps::Install(const Policy& policy, uint64_t now) {
  const char* service = policy.scope == kScopeUser ? "" : start_.service;
  bool differs = false;
  const uint32_t number = Shared().Install(policy, service, kFromConfig, configured_.source,
                                           configured_.stamp, now, &differs);
  if (number == kNoPolicyNumber) {
    if (!said_full_)
      log::Write(log::Level::kError, log::Event::kPolicyNotInForce,
                 {log::Field::Text("cap", policy.name), log::Field::Text("kind", KindOf(policy)),
                  log::Field::Number("most", kMaxPolicies)},
                 "%s \"%s\" is not in force: %u caps and paces are, which is the most that a user "
                 "can have",
                 KindOf(policy), policy.name, kMaxPolicies);
    said_full_ = true;
  } else if (differs && policy.scope != kScopeProcess && configured_.source != 0) {
    log::Write(
        log::Level::kError, log::Event::kPolicyContradicted,
        {log::Field::Text("cap", policy.name), log::Field::Text("kind", KindOf(policy))},
        "%s \"%s\" is defined differently in another file that is as new or newer: that definition "
        "is in force",
        KindOf(policy), policy.name);
  }
  return number;
}

// Chooses the board for a policy that is in force for this process. If that is the own board,
// enters it there. Returns false if there is no board for it.
bool Caps::Adopt(uint32_t number, const Policy& policy, Origin origin, uint64_t now) {
  const bool own = policy.scope == kScopeProcess || !Shared().attached();
  if (own && !own_.attached()) {
    // The own board is made when it is needed. Most processes have no policy for it.
    own_.Create(start_.own_memory, start_.own_capacity, false, {}, start_.populate);
    if (own_.attached()) own_.Join(start_.identity, now);
  }
  if (own && own_.attached()) {
    Record record = {};
    if (Shared().attached()) record = Shared().record(number);
    record.filed = policy;
    if (record.overridden == 0) record.rule = policy.rule;
    record.origin = origin;
    own_.Mirror(number, record, now);
    own_mask_.fetch_or(Bit(number), std::memory_order_release);
    return true;
  }
  own_mask_.fetch_and(~Bit(number), std::memory_order_relaxed);
  return !own;
}

// Stores a policy that other threads read without the lock. It is stored only if it differs, so
// that such a read can see a half-written policy only in the moment of a change.
void Caps::Keep(uint32_t number, const Policy& policy) {
  if (memcmp(&policies_[number], &policy, sizeof(policy)) != 0) policies_[number] = policy;
}

uint64_t Caps::Sure(uint64_t call_site) const {
  uint64_t sure =
      applying_.load(std::memory_order_relaxed) & ~conditional_.load(std::memory_order_relaxed);
  ForEach(by_site_.load(std::memory_order_relaxed) & sure, [&](uint32_t i) {
    if (policies_[i].call_site != call_site) sure &= ~Bit(i);
  });
  return sure;
}

uint64_t Caps::Matching(const Endpoint& endpoint, uint64_t call_site) {
  const BoundedLockHolder lock(renewing_);
  return MatchingNow(endpoint, call_site);
}

uint64_t Caps::MatchingNow(const Endpoint& endpoint, uint64_t call_site) const {
  uint64_t matching = 0;
  ForEach(applying_.load(std::memory_order_relaxed), [&](uint32_t i) {
    if (Matches(policies_[i], &endpoint, call_site)) matching |= Bit(i);
  });
  return matching;
}

// Counts connections that existed before a policy did for that policy as well.
void Caps::Enrol(uint64_t now) {
  const uint32_t slots = start_.surveyor->Slots();
  for (uint32_t slot = 0; slot < slots; ++slot) {
    const UndisturbedLockHolder lock(claiming_);
    Endpoint endpoint = {};
    uint64_t call_site = 0;
    uint64_t since = 0;
    Claim& claim = start_.claims[slot];
    if (!lock.held()) return;  // not for this slot, and not for the others either
    if (claim.closing || claim.Waits() ||
        !start_.surveyor->Held(slot, &endpoint, &call_site, &since))
      continue;
    const uint64_t policies = MatchingNow(endpoint, call_site);
    const uint32_t board = boards_.number();
    const bool elsewhere = claim.board != board && claim.stage != Claim::kNone;
    if (elsewhere && claim.shared != kNoEntry) {
      boards_.At(claim.board).Withdraw(claim.shared, claim.shared_ticket, now);
      claim.shared = kNoEntry;
    }
    claim.board = board;
    if (!elsewhere && policies == claim.ask.policies &&
        (policies == 0) == (claim.stage == Claim::kNone))
      continue;
    claim.ask = {.slot = slot,
                 .policies = policies,
                 .call_site = call_site,
                 .now = now,
                 .since = since,
                 .deadline = 0,
                 .may_wait = false,
                 .parked = false};
    Count(claim);
  }
}

void Caps::EnrolHeld(uint64_t now) {
  if (!Any()) return;
  const BoundedLockHolder lock(renewing_);
  if (lock.held()) Enrol(now);
}

}  // namespace pqleash::caps
