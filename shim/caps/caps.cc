// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/caps.h"

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstring>
#include <utility>

#include "shim/caps/board_file.h"
#include "shim/caps/holders.h"
#include "shim/caps/refusal.h"
#include "shim/log/log.h"
#include "shim/support/futex.h"
#include "shim/support/host_state.h"
#include "shim/tracker/clock.h"

namespace pqleash::caps {

namespace {

constexpr uint32_t kOwnMember = 1;
constexpr uint64_t kFileIntervalNs = 1'000'000'000;
// A cap that is entered and left all the time is described at most that often.
constexpr uint64_t kDescribeIntervalNs = 10'000'000'000;

constexpr uint64_t Bit(uint32_t number) { return uint64_t{1} << number; }

constexpr const char* kOnLimitNames[] = {"warn", "wait", "reject"};
const char* NameOf(uint32_t on_limit) { return on_limit < 3 ? kOnLimitNames[on_limit] : "?"; }

const char* KindOf(const Policy& policy) { return policy.kind == kPace ? "pace" : "cap"; }

double Seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace

void Caps::Begin(const Start& start, uint64_t now) {
  start_ = start;
  // Only what is there: most processes have no policy, and need no pages for any.
  configured_.count = start.configured->count;
  configured_.source = start.configured->source;
  configured_.stamp = start.configured->stamp;
  std::copy_n(start.configured->policies, configured_.count, configured_.policies);
  char problem[256];
  if (start.directory_fd >= 0 && !OpenSharedBoard(start.directory_fd, start.uid,
                                                  start.pid_namespace, true, &shared_, problem)) {
    log::Write(log::Level::kError,
               "%s; caps of scope service and user count this process alone, and 'pqleash caps' "
               "does not reach it",
               problem);
  }
  looked_at_file_ns_.store(now, std::memory_order_relaxed);
  const BoundedLockHolder lock(renewing_);
  Renew(now);
}

// -------------------------------------------------------------------------------------------------
// Which policies there are.

void Caps::Refresh(uint64_t now) {
  const bool changed = shared_.attached() &&
                       shared_.generation() != seen_generation_.load(std::memory_order_relaxed);
  const uint64_t looked = looked_at_file_ns_.load(std::memory_order_relaxed);
  if (!changed && now < looked + kFileIntervalNs) return;
  const HostStateKeeper keeper;
  const BoundedLockHolder lock(renewing_);
  if (!lock.held()) return;
  looked_at_file_ns_.store(now, std::memory_order_relaxed);
  if (own_.attached()) NoteEpisodes(own_, now);
  if (shared_.attached()) NoteEpisodes(shared_, now);
  const bool reread = start_.surveyor->ReadAgain(&configured_);
  if (!changed && !reread) return;
  Renew(now);
  Enrol(now);
}

// Enters a configured policy on the shared board. kNoPolicyNumber: it cannot be enforced.
uint32_t Caps::Install(const Policy& policy, uint64_t now) {
  const char* service = policy.scope == kScopeUser ? "" : start_.service;
  bool differs = false;
  const uint32_t number = shared_.Install(policy, service, kFromConfig, configured_.source,
                                          configured_.stamp, now, &differs);
  if (number == kNoPolicyNumber) {
    if (!said_full_)
      log::Write(
          log::Level::kError,
          "%s \"%s\" is not in force: %u are already, which is the most that a user can have",
          KindOf(policy), policy.name, kMaxPolicies);
    said_full_ = true;
  } else if (differs && policy.scope != kScopeProcess && configured_.source != 0) {
    log::Write(log::Level::kError,
               "%s \"%s\" says otherwise in a file that is as new or newer: that one is in force",
               KindOf(policy), policy.name);
  }
  return number;
}

// Puts a policy in force for this process, under its number.
bool Caps::Adopt(uint32_t number, const Policy& policy, bool configured, uint64_t now) {
  policies_[number] = policy;
  const bool own = policy.scope == kScopeProcess || !shared_.attached();
  if (own && !own_.attached()) {
    // Made when it is needed: most processes have no policy of their own.
    own_.Create(start_.own_memory, start_.own_capacity, false, 0, start_.populate);
    if (own_.attached()) own_.Join(start_.identity, now);
  }
  if (own && own_.attached()) {
    Record record = {};
    if (shared_.attached()) record = shared_.record(number);
    record.filed = policy;
    if (record.overridden == 0) record.rule = policy.rule;
    record.origin = configured ? kFromConfig : kFromOperator;
    own_.Mirror(number, record, now);
    own_mask_.fetch_or(Bit(number), std::memory_order_release);
    return true;
  }
  own_mask_.fetch_and(~Bit(number), std::memory_order_relaxed);
  return !own;
}

// Called with the lock.
void Caps::Renew(uint64_t now) {
  const uint64_t before = applying_.load(std::memory_order_relaxed);
  uint64_t applying = 0;
  for (uint32_t i = 0; i < configured_.count; ++i) {
    numbers_[i] = shared_.attached() ? Install(configured_.policies[i], now) : i;
    if (numbers_[i] == kNoPolicyNumber) continue;
    if (!Adopt(numbers_[i], configured_.policies[i], true, now)) continue;
    // The newest file speaks for all; of scope process each process has its own.
    if (shared_.attached() && configured_.policies[i].scope != kScopeProcess)
      policies_[numbers_[i]] = shared_.record(numbers_[i]).filed;
    applying |= Bit(numbers_[i]);
  }
  // After Install: what it changes is not news.
  if (shared_.attached()) {
    seen_generation_.store(shared_.generation(), std::memory_order_relaxed);
    for (uint32_t i = 0; i < shared_.policies_used(); ++i) {
      const Record& record = shared_.record(i);
      if ((applying & Bit(i)) != 0) {
        LogChange(i);
        continue;
      }
      const bool ours = record.origin == kFromOperator &&
                        (record.service[0] == '\0' || strcmp(record.service, start_.service) == 0);
      if (!ours) continue;
      Policy policy = record.filed;
      policy.name[kMaxPolicyName] = '\0';
      if (!Adopt(i, policy, false, now)) continue;
      applying |= Bit(i);
      LogChange(i);
    }
  }
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    const bool gone = (before & ~applying & Bit(i)) != 0;
    if (gone && shared_.attached() && shared_.Announce(i))
      log::Write(log::Level::kWarn, "%s \"%s\": removed by pid %u", KindOf(policies_[i]),
                 policies_[i].name, shared_.record(i).changed_by);
  }
  uint64_t conditional = 0;
  uint64_t by_site = 0;
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    if ((applying & Bit(i)) == 0) continue;
    if (HasTarget(policies_[i])) conditional |= Bit(i);
    if (policies_[i].call_site != 0) by_site |= Bit(i);
  }
  applying_.store(applying, std::memory_order_relaxed);
  conditional_.store(conditional, std::memory_order_relaxed);
  by_site_.store(by_site, std::memory_order_relaxed);
  version_.fetch_add(1, std::memory_order_release);
}

void Caps::LogChange(uint32_t number) {
  if (!shared_.Announce(number)) return;
  const Record& record = shared_.record(number);
  if (record.before.limit == 0 && record.before.burst == 0) {
    log::Write(log::Level::kWarn, "%s \"%s\": added by pid %u: limit %u, on_limit %s",
               KindOf(record.filed), policies_[number].name, record.changed_by, record.rule.limit,
               NameOf(record.rule.on_limit));
    return;
  }
  if (record.filed.kind == kPace) {
    log::Write(
        log::Level::kWarn,
        "pace \"%s\": %s by pid %d (was: a connect every %.3g ms, burst %u, on_limit %s; now: "
        "every %.3g ms, burst %u, on_limit %s)",
        record.filed.name, record.overridden != 0 ? "set" : "reset", record.changed_by,
        static_cast<double>(record.before.interval_ns) / 1e6, record.before.burst,
        NameOf(record.before.on_limit), static_cast<double>(record.rule.interval_ns) / 1e6,
        record.rule.burst, NameOf(record.rule.on_limit));
    return;
  }
  log::Write(
      log::Level::kWarn,
      "cap \"%s\": %s by pid %d: limit %u, on_limit %s, wait_timeout %u ms (before: limit %u, "
      "on_limit %s, wait_timeout %u ms); %u in use",
      record.filed.name, record.overridden != 0 ? "set" : "reset", record.changed_by,
      record.rule.limit, NameOf(record.rule.on_limit), record.rule.wait_timeout_ms,
      record.before.limit, NameOf(record.before.on_limit), record.before.wait_timeout_ms,
      shared_.use(number));
}

uint64_t Caps::Sure(uint64_t call_site) const {
  uint64_t sure =
      applying_.load(std::memory_order_relaxed) & ~conditional_.load(std::memory_order_relaxed);
  uint64_t by_site = by_site_.load(std::memory_order_relaxed) & sure;
  for (; by_site != 0; by_site &= by_site - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(by_site));
    if (policies_[i].call_site != call_site) sure &= ~Bit(i);
  }
  return sure;
}

uint64_t Caps::Matching(const Endpoint& endpoint, uint64_t call_site) {
  const BoundedLockHolder lock(renewing_);
  uint64_t matching = 0;
  const uint64_t applying = applying_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    if ((applying & Bit(i)) != 0 && Matches(policies_[i], &endpoint, call_site)) matching |= Bit(i);
  }
  return matching;
}

// Connections that were there before a policy was count for it as well.
void Caps::Enrol(uint64_t now) {
  const uint32_t slots = start_.surveyor->Slots();
  for (uint32_t slot = 0; slot < slots; ++slot) {
    const BoundedLockHolder lock(claiming_);
    Endpoint endpoint = {};
    uint64_t call_site = 0;
    uint64_t since = 0;
    Claim& claim = start_.claims[slot];
    if (!lock.held() || claim.closing || claim.stage == Claim::kAtOwn ||
        claim.stage == Claim::kAtShared ||
        !start_.surveyor->Held(slot, &endpoint, &call_site, &since))
      continue;
    uint64_t policies = 0;
    const uint64_t applying = applying_.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < kMaxPolicies; ++i) {
      if ((applying & Bit(i)) != 0 && Matches(policies_[i], &endpoint, call_site))
        policies |= Bit(i);
    }
    if (policies == claim.ask.policies && (policies == 0) == (claim.stage == Claim::kNone))
      continue;
    claim.ask = {.slot = slot,
                 .policies = policies,
                 .call_site = call_site,
                 .now = now,
                 .since = since,
                 .deadline = 0,
                 .may_wait = false,
                 .parked = false};
    claim.stage = Claim::kThrough;
    if (own_.attached()) EnrolAt(own_, claim.own, claim.own_ticket, claim.ask);
    if (shared_.attached()) EnrolAt(shared_, claim.shared, claim.shared_ticket, claim.ask);
  }
}

void Caps::EnrolAt(Board& board, uint32_t& entry, uint64_t& ticket, const Ask& ask) {
  const uint64_t own_mask = own_mask_.load(std::memory_order_acquire);
  const uint64_t policies = ask.policies & (&board == &own_ ? own_mask : ~own_mask);
  if (entry != kNoEntry) {
    board.Recount(entry, policies, ask.now);
    return;
  }
  if (policies == 0) return;
  const uint32_t member = &board == &own_ ? kOwnMember : Join(ask.now);
  if (member == kNoEntry) return;
  const Outcome outcome = board.Adopt(RequestOf(ask, board, member, policies));
  entry = outcome.entry;
  ticket = outcome.ticket;
}

// -------------------------------------------------------------------------------------------------
// The way of a connect.

uint32_t Caps::Join(uint64_t now) {
  uint32_t member = member_.load(std::memory_order_acquire);
  if (member != kNoEntry) return member;
  // Board::Join takes the place of an earlier member of the same pid: one thread at a time.
  const BoundedLockHolder lock(joining_);
  member = member_.load(std::memory_order_acquire);
  if (member != kNoEntry || !lock.held()) return member;
  member = shared_.Join(start_.identity, now);
  if (member == kNoEntry) return kNoEntry;
  own_.UseWakeWord(shared_.WakeWord(member));
  member_.store(member, std::memory_order_release);
  return member;
}

uint32_t Caps::Label(Board& board, uint64_t call_site, uint64_t now) {
  const uint32_t label = board.LabelFor(call_site);
  if (label != kNoEntry || call_site == 0) return label;
  const HostStateKeeper keeper;
  char text[kMaxLabel + 1];
  start_.surveyor->Describe(call_site, text);
  return board.AddLabel(call_site, text, now);
}

Request Caps::RequestOf(const Ask& ask, Board& board, uint32_t member, uint64_t policies) {
  return {.member = member,
          .policies = policies,
          .label = Label(board, ask.call_site, ask.now),
          .slot = ask.slot,
          .now = ask.now,
          .deadline = ask.deadline,
          .may_wait = ask.may_wait,
          .parked = ask.parked,
          .since = ask.since};
}

Outcome Caps::Enter(const Ask& ask) {
  Claim& claim = start_.claims[ask.slot];
  claim.closing = false;
  claim.own = kNoEntry;
  claim.shared = kNoEntry;
  claim.waited_ns = 0;
  claim.ask = ask;
  const uint64_t own_mask = own_mask_.load(std::memory_order_acquire);
  if (ask.parked && shared_.attached()) Join(ask.now);  // the word that wakes the parked
  claim.stage = Claim::kAtOwn;
  Outcome outcome;
  const uint64_t policies = ask.policies & own_mask;
  if (policies != 0) outcome = own_.Enter(RequestOf(ask, own_, kOwnMember, policies));
  return Advance(ask.slot, outcome, ask.now);
}

// Goes on after `outcome` of the board that the claim is at.
Outcome Caps::Advance(uint32_t slot, const Outcome& outcome, uint64_t now) {
  Claim& claim = start_.claims[slot];
  Outcome latest = outcome;
  while (true) {
    if (latest.entered || latest.answer == Answer::kRefused) Note(latest, now);
    const bool at_own = claim.stage == Claim::kAtOwn;
    if (latest.answer == Answer::kWait) {
      (at_own ? claim.own : claim.shared) = latest.entry;
      (at_own ? claim.own_ticket : claim.shared_ticket) = latest.ticket;
      break;
    }
    if (latest.answer == Answer::kRefused || latest.answer == Answer::kTimedOut) {
      (at_own ? claim.own : claim.shared) = kNoEntry;
      own_.Withdraw(claim.own, claim.own_ticket, now);
      claim.own = kNoEntry;
      claim.stage = Claim::kNone;
      claim.ask.policies = 0;
      break;
    }
    claim.waited_ns += latest.waited_ns;
    (at_own ? claim.own : claim.shared) = latest.entry;
    (at_own ? claim.own_ticket : claim.shared_ticket) = latest.ticket;
    const uint64_t policies = claim.ask.policies & ~own_mask_.load(std::memory_order_acquire);
    if (!at_own || policies == 0 || !shared_.attached()) {
      claim.stage = Claim::kThrough;
      latest.waited_ns = claim.waited_ns;
      break;
    }
    claim.stage = Claim::kAtShared;
    Ask ask = claim.ask;
    ask.now = now;
    const uint32_t member = Join(now);
    latest =
        member != kNoEntry ? shared_.Enter(RequestOf(ask, shared_, member, policies)) : Outcome();
  }
  claim.latest = latest;
  return latest;
}

Outcome Caps::Await(uint32_t slot, uint64_t until) {
  const Claim& claim = start_.claims[slot];
  Board& board = claim.stage == Claim::kAtOwn ? own_ : shared_;
  Outcome before = claim.latest;
  before.look_again_ns = std::min(before.look_again_ns, until);
  const Outcome outcome = board.Await(before);
  const uint64_t now = tracker::Now();
  Refresh(now);
  return Advance(slot, outcome, now);
}

Outcome Caps::Look(uint32_t slot, uint64_t now) {
  // The host may poll while the thread that serves parked connects looks.
  const BoundedLockHolder lock(claiming_);
  const Claim& claim = start_.claims[slot];
  if (claim.stage != Claim::kAtOwn && claim.stage != Claim::kAtShared) return claim.latest;
  Board& board = claim.stage == Claim::kAtOwn ? own_ : shared_;
  return Advance(slot, board.Look(claim.latest, now), now);
}

void Caps::Open(uint32_t slot) {
  // Of a policy that came between the last look at the slot and its end.
  if (start_.claims[slot].stage != Claim::kNone) GiveBack(slot, tracker::Now());
  start_.claims[slot].closing = false;
}

void Caps::GiveBack(uint32_t slot, uint64_t now) {
  Claim& claim = start_.claims[slot];
  if (claim.stage == Claim::kNone && applying_.load(std::memory_order_relaxed) == 0) return;
  uint32_t own;
  uint32_t shared;
  uint64_t own_ticket;
  uint64_t shared_ticket;
  {
    const BoundedLockHolder lock(claiming_);
    own = std::exchange(claim.own, kNoEntry);
    shared = std::exchange(claim.shared, kNoEntry);
    own_ticket = claim.own_ticket;
    shared_ticket = claim.shared_ticket;
    // Of one that waited the rest stays: AdmitBeyond counts by it.
    if (claim.stage == Claim::kThrough) claim.ask.policies = 0;
    claim.stage = Claim::kNone;
    claim.closing = true;
  }
  if (shared != kNoEntry) {
    shared_.Withdraw(shared, shared_ticket, now);
    NoteEpisodes(shared_, now);
  }
  if (own != kNoEntry) {
    own_.Withdraw(own, own_ticket, now);
    NoteEpisodes(own_, now);
  }
}

void Caps::AdmitBeyond(uint32_t slot) {
  const BoundedLockHolder lock(claiming_);
  Claim& claim = start_.claims[slot];
  claim.closing = false;
  claim.stage = Claim::kThrough;
  if (own_.attached()) EnrolAt(own_, claim.own, claim.own_ticket, claim.ask);
  if (shared_.attached()) EnrolAt(shared_, claim.shared, claim.shared_ticket, claim.ask);
}

void Caps::Settle(uint32_t slot, bool server_full, uint64_t now) {
  const Claim& claim = start_.claims[slot];
  if (claim.stage != Claim::kThrough) return;
  uint64_t paces = 0;
  for (uint64_t left = claim.ask.policies; left != 0; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    if (policies_[i].kind == kPace) paces |= Bit(i);
  }
  if (paces == 0) return;
  const uint64_t own_mask = own_mask_.load(std::memory_order_acquire);
  if ((paces & own_mask) != 0) own_.Settle(claim.own, server_full, now);
  if ((paces & ~own_mask) != 0) shared_.Settle(claim.shared, server_full, now);
}

void Caps::Leave(uint64_t now) {
  const uint32_t member = member_.load(std::memory_order_acquire);
  if (member != kNoEntry) shared_.Leave(member, now);
  // What is quiet from now on need not have been so for a while.
  if (own_.attached()) NoteEpisodes(own_, now + kQuietNs);
  if (shared_.attached()) NoteEpisodes(shared_, now + kQuietNs);
}

// -------------------------------------------------------------------------------------------------
// Words.

void Caps::Explain(const Outcome& outcome, char (&text)[kRefusalSize]) {
  if (outcome.policy >= kMaxPolicies) {
    text[0] = '\0';
    return;
  }
  Board& board = BoardOf(outcome.policy);
  const Record& record = board.record(outcome.policy);
  Refusal refusal = {};
  refusal.policy = &policies_[outcome.policy];
  refusal.rule = record.rule;
  refusal.service = policies_[outcome.policy].scope == kScopeUser ? "" : start_.service;
  refusal.use = board.use(outcome.policy);
  refusal.waiting = record.waiting;
  refusal.waited_ns = outcome.answer == Answer::kTimedOut ? outcome.waited_ns : 0;
  refusal.server_full = outcome.server_full;
  const uint32_t label = board.BiggestHolder(outcome.policy, &refusal.holder_count);
  if (label != kNoEntry) {
    refusal.holder = board.label(label).text;
    refusal.holder_site = board.label(label).call_site;
  }
  caps::Explain(refusal, text);
}

// The first connect that is held back: who has what.
void Caps::Note(const Outcome& outcome, uint64_t now) {
  if (outcome.policy >= kMaxPolicies || !outcome.entered) return;
  uint64_t& logged = logged_full_ns_[outcome.policy];
  if (logged != 0 && now < logged + kDescribeIntervalNs) return;
  logged = now;
  if (!log::Enabled(log::Level::kWarn)) return;
  const HostStateKeeper keeper;
  LogHolders(BoardOf(outcome.policy), outcome.policy, policies_[outcome.policy], outcome,
             start_.directory, now);
}

void Caps::NoteEpisodes(Board& board, uint64_t now) {
  Episode episode;
  while (board.NextEpisode(now, &episode)) {
    log::Write(log::Level::kWarn,
               "%s \"%s\" has room again after %.1f s: %" PRIu64
               " waited (longest %.3f s), %" PRIu64 " refused, %" PRIu64 " admitted beyond it",
               KindOf(policies_[episode.policy]), policies_[episode.policy].name,
               Seconds(episode.lasted_ns), episode.waited, Seconds(episode.longest_wait_ns),
               episode.refused, episode.warned);
  }
}

// -------------------------------------------------------------------------------------------------
// For the thread that serves parked connects.

Parked Caps::Look(uint32_t slot, uint64_t now, uint64_t* look_again) {
  Refresh(now);
  const Outcome outcome = Look(slot, now);
  switch (outcome.answer) {
    case Answer::kWait:
      *look_again = std::min(*look_again, outcome.look_again_ns);
      return Parked::kWaiting;
    case Answer::kRefused:
    case Answer::kTimedOut:
      return Parked::kRefused;
    case Answer::kGo:
    case Answer::kUncounted:
      return Parked::kGranted;
  }
  return Parked::kGranted;
}

uint32_t Caps::Changes() { return __atomic_load_n(WakeWord(), __ATOMIC_ACQUIRE); }

void Caps::Sleep(uint32_t seen, uint64_t until) { FutexWait(WakeWord(), seen, until); }

void Caps::Nudge() {
  __atomic_fetch_add(WakeWord(), 1u, __ATOMIC_RELEASE);
  FutexWake(WakeWord(), 1);
}

// Both boards wake through one word.
uint32_t* Caps::WakeWord() {
  const uint32_t member = member_.load(std::memory_order_acquire);
  return member != kNoEntry ? shared_.WakeWord(member) : own_.WakeWord(kOwnMember);
}

}  // namespace pqleash::caps
