// SPDX-License-Identifier: Apache-2.0
//
// Connects on a board: how they are entered, held back in the order of their arrival, let go, and
// how they give their places back.

#include <pthread.h>

#include <algorithm>
#include <bit>

#include "shim/caps/board.h"
#include "shim/caps/board_lock.h"
#include "shim/caps/limits.h"
#include "shim/caps/policy_set.h"
#include "shim/caps/shared_value.h"
#include "shim/ledger/histogram.h"
#include "shim/support/clock.h"
#include "shim/support/futex.h"

namespace pqleash::caps {

namespace {

// Before a connect is held back, dead holders are looked for, but not more often than this.
constexpr uint64_t kReapBeforeHoldingNs = 1'000'000;
// How often entries look again that are not the first of their queue. If the first one's process
// dies or is stopped, one of these notices.
constexpr uint64_t kSecondLookNs = 100'000'000;
constexpr uint64_t kManyLookNs = 1'000'000'000;
constexpr uint32_t kMany = 64;
// The walk along a longer queue stops here, and may miss entries that wait for another policy.
constexpr uint32_t kMostLookedAt = 512;

// Returns how long `policy` lets a connect wait, in nanoseconds. The result is bounded, whatever
// another process has written.
uint64_t PatienceOf(const Record& policy) {
  return std::min(Load(policy.rule.wait_timeout_ms), kMaxWaitTimeoutMs) * uint64_t{1'000'000};
}

uint64_t WaitOf(const Entry& entry) {
  const uint64_t arrived = Load(entry.arrived_ns);
  const uint64_t since = Load(entry.since_ns);
  return since > arrived ? since - arrived : 0;
}

}  // namespace

void Board::CountUse(uint64_t policies, int change) {
  ForEach(policies, [&](uint32_t i) {
    Record& record = records_[i];
    if (change < 0 && record.use == 0) return Distrust();
    const uint32_t use = record.use + static_cast<uint32_t>(change);
    __atomic_store_n(&record.use, use, __ATOMIC_RELAXED);
    if (change > 0) record.peak = std::max(record.peak, use);
  });
}

void Board::CountWaiting(uint64_t policies, int change) {
  ForEach(policies, [&](uint32_t i) {
    if (change < 0 && records_[i].waiting == 0) return Distrust();
    records_[i].waiting += static_cast<uint32_t>(change);
  });
}

// Returns the policies that hold a connect back.
uint64_t Board::WithoutRoom(uint64_t policies, uint64_t now) const {
  uint64_t without = 0;
  ForEach(policies, [&](uint32_t i) {
    if (records_[i].rule.on_limit != kWarn && !HasRoom(records_[i], now)) without |= Bit(i);
  });
  return without;
}

// Returns the policies for which entries wait already. A new connect goes behind them.
uint64_t Board::QueuedAt(uint64_t policies) const {
  uint64_t queued = 0;
  ForEach(policies, [&](uint32_t i) {
    if (records_[i].rule.on_limit == kWait && records_[i].waiting > 0) queued |= Bit(i);
  });
  return queued;
}

void Board::TakeRoom(uint32_t entry, uint64_t now) {
  const uint64_t policies = At(entry).policies;
  ForEach(policies, [&](uint32_t i) {
    Record& record = records_[i];
    ++record.admitted;
    if (record.filed.kind != kPace) return;
    record.full_at_ns = FullAtAfter(record, now);
    if (record.rule.on_server_full == kFullBackoff && record.server_full_since_ns != 0 &&
        record.prober == kNoEntry)
      record.prober = entry;
  });
  CountUse(policies, 1);
}

void Board::Fill(const Request& request, uint32_t entry, EntryState state, uint64_t deadline,
                 uint32_t held_by) {
  Entry& record = At(entry);
  record.member = request.member;
  record.policies = request.policies;
  __atomic_store_n(&record.ticket, header_->next_ticket++, __ATOMIC_RELAXED);
  record.arrived_ns = request.since != 0 ? request.since : request.now;
  record.since_ns = record.arrived_ns;
  record.deadline_ns = deadline;
  record.label = request.label;
  record.slot = request.slot;
  record.flags = request.parked ? uint32_t{kEntryParked} : 0;
  record.held_by = held_by;
  ++members_[request.member - 1].entries;
  // The word is stored last. If the process dies before, the entry is still free.
  __atomic_store_n(&record.word, (record.word & ~0xffu) | state, __ATOMIC_RELEASE);
}

void Board::CountUncounted() {
  __atomic_fetch_add(&header_->uncounted, uint64_t{1}, __ATOMIC_RELAXED);
}

// Lets the connect go at once.
Outcome Board::Hold(const Request& request, bool unconditional) {
  const uint32_t entry = TakeEntry();
  if (entry == kNoEntry) {
    CountUncounted();
    return {};
  }
  Outcome outcome;
  outcome.answer = Answer::kGo;
  outcome.entry = entry;
  if (!unconditional) {
    ForEach(request.policies, [&](uint32_t i) {
      Record& record = records_[i];
      // The policy was retired, and the caller does not know yet.
      if (record.origin == kFromNobody) return;
      if (record.rule.on_limit != kWarn || HasRoom(record, request.now)) return;
      ++record.warned;
      const bool entered = HoldBack(i, request.now);
      ++record.episode_warned;
      if (outcome.policy != kNoPolicyNumber && !entered) return;
      outcome.policy = i;
      outcome.entered = entered;
    });
  }
  Fill(request, entry, kEntryHeld, 0, kNoPolicyNumber);
  outcome.ticket = At(entry).ticket;
  if (unconditional) {
    CountUse(request.policies, 1);
  } else {
    TakeRoom(entry, request.now);
  }
  return outcome;
}

Outcome Board::Refuse(const Request& request, uint32_t policy) {
  Record& record = records_[policy];
  const bool entered = HoldBack(policy, request.now);
  ++record.refused;
  ++record.episode_refused;
  Outcome outcome;
  outcome.answer = Answer::kRefused;
  outcome.policy = policy;
  outcome.entered = entered;
  outcome.server_full = record.server_full_since_ns != 0;
  return outcome;
}

Outcome Board::Queue(const Request& request, uint64_t held) {
  const uint32_t policy = First(held);
  const uint32_t entry = TakeEntry();
  if (entry == kNoEntry) {
    CountUncounted();
    return {};
  }
  uint64_t deadline = request.now + uint64_t{kMaxWaitTimeoutMs} * 1'000'000;
  if (request.deadline != 0) deadline = std::min(deadline, request.deadline);
  ForEach(request.policies, [&](uint32_t i) {
    if (records_[i].rule.on_limit != kWait) return;
    deadline = std::min(deadline, request.now + PatienceOf(records_[i]));
  });
  const bool entered = HoldBack(policy, request.now);
  ++records_[policy].episode_waited;
  Fill(request, entry, kEntryWaiting, deadline, policy);
  Append(entry);
  CountWaiting(request.policies, 1);
  LetGo(request.now);  // the new entry may be the first one, which LetGo marks
  Outcome before;
  before.entry = entry;
  before.ticket = At(entry).ticket;
  before.policy = policy;
  before.arrived_ns = request.now;
  before.deadline_ns = deadline;
  Outcome outcome = LookLocked(before, request.now);
  // The dead may have been looked for just before, so a dead process may still own the first entry
  // of the queue.
  outcome.look_again_ns = std::min(outcome.look_again_ns, request.now + kReapIntervalNs);
  outcome.entered = entered;
  outcome.server_full = records_[policy].server_full_since_ns != 0;
  return outcome;
}

Outcome Board::Enter(const Request& request) {
  const BoardLock lock(this, request.now);
  if (!lock.held() || request.member - 1 >= capacity_.members) {
    CountUncounted();
    return {};
  }
  uint64_t held = WithoutRoom(request.policies, request.now) | QueuedAt(request.policies);
  if (held == 0) return Hold(request, false);
  Reap(request.now, kReapBeforeHoldingNs);
  const uint64_t behind = LetGo(request.now);
  held = WithoutRoom(request.policies, request.now) | (behind & QueuedAt(request.policies));
  if (held == 0) return Hold(request, false);
  uint64_t refusing = 0;
  ForEach(held, [&](uint32_t i) {
    const Record& record = records_[i];
    const bool crowded = record.rule.max_waiting != 0 && record.waiting >= record.rule.max_waiting;
    if (record.rule.on_limit == kReject || crowded || !request.may_wait) refusing |= Bit(i);
  });
  if (refusing != 0) return Refuse(request, First(refusing));
  return Queue(request, held);
}

uint64_t Board::LookAgain(const Entry& entry, uint64_t deadline, uint64_t now) const {
  const bool head = (Load(entry.flags) & kEntryHead) != 0;
  uint64_t again = now + kReapIntervalNs;
  if (!head)
    again = now + (records_[Load(entry.held_by) % kMaxPolicies].waiting > kMany ? kManyLookNs
                                                                                : kSecondLookNs);
  if (head) {
    ForEach(Load(entry.policies), [&](uint32_t i) {
      const uint64_t room = RoomAt(records_[i], now);
      if (room > now) again = std::min(again, room);
    });
  }
  return std::min(again, deadline);
}

// Answers for an entry that is no longer this connect's: its owner did not come for long after the
// deadline, or the board is damaged. Before its deadline the connect goes on without an entry.
Outcome Board::Lost(const Outcome& before, uint64_t now) {
  Outcome outcome = before;
  outcome.entry = kNoEntry;
  outcome.answer = now < before.deadline_ns ? Answer::kUncounted : Answer::kTimedOut;
  outcome.waited_ns = now > before.arrived_ns ? now - before.arrived_ns : 0;
  if (outcome.answer == Answer::kUncounted) CountUncounted();
  return outcome;
}

Outcome Board::LookLocked(const Outcome& before, uint64_t now) {
  if (!Valid(before.entry) || Load(At(before.entry).ticket) != before.ticket)
    return Lost(before, now);
  Entry& record = At(before.entry);
  const uint64_t deadline = std::min(Load(record.deadline_ns), before.deadline_ns);
  Outcome outcome;
  outcome.entry = before.entry;
  outcome.ticket = before.ticket;
  outcome.arrived_ns = before.arrived_ns;
  outcome.deadline_ns = deadline;
  outcome.policy = Load(record.held_by) % kMaxPolicies;
  if (StateOf(Load(record.word)) == kEntryWaiting) {
    const bool back = ComeBack(record);
    const bool head = (Load(record.flags) & kEntryHead) != 0;
    const bool reaped = Reap(now, kReapIntervalNs);
    // Thousands of entries may wait. Only those walk along the list for which something may have
    // changed.
    if (head || reaped || back || now >= deadline) LetGo(now);
  }
  // Reap, LetGo or damage by another process may have ended the entry meanwhile.
  if (Load(record.ticket) != before.ticket) return Lost(before, now);
  switch (StateOf(Load(record.word))) {
    case kEntryGranted:
      if (Turn(record, kEntryGranted, kEntryHeld) && header_->granted > 0) --header_->granted;
      outcome.waited_ns = WaitOf(record);
      outcome.answer = Answer::kGo;
      return outcome;
    case kEntryHeld:
      outcome.answer = Answer::kGo;
      return outcome;
    case kEntryWaiting:
      break;
    default:
      return Lost(before, now);
  }
  outcome.waited_ns = now > before.arrived_ns ? now - before.arrived_ns : 0;
  if (now < deadline) {
    outcome.answer = Answer::kWait;
    outcome.word = Load(record.word);
    outcome.look_again_ns = LookAgain(record, deadline, now);
    return outcome;
  }
  TimeOut(&outcome, now);
  return outcome;
}

// Ends the wait of an entry whose deadline has passed.
void Board::TimeOut(Outcome* outcome, uint64_t now) {
  // The policy that holds it back now may be another one than at its arrival.
  const uint64_t held = WithoutRoom(Load(At(outcome->entry).policies), now);
  if (held != 0) outcome->policy = First(held);
  Record& policy = records_[outcome->policy];
  outcome->entered = HoldBack(outcome->policy, now);
  ++policy.timed_out;
  ++policy.episode_refused;
  policy.longest_wait_ns = std::max(policy.longest_wait_ns, outcome->waited_ns);
  policy.episode_longest_ns = std::max(policy.episode_longest_ns, outcome->waited_ns);
  ledger::CountTime(policy.wait, outcome->waited_ns);
  outcome->server_full = policy.server_full_since_ns != 0;
  GiveBack(outcome->entry, now);
  LetGo(now);
  outcome->answer = Answer::kTimedOut;
  outcome->entry = kNoEntry;
}

void Board::Shorten(uint32_t entry, uint64_t ticket, uint64_t deadline) {
  if (!Valid(entry)) return;
  Entry& record = At(entry);
  uint64_t current = Load(record.deadline_ns);
  if (StateOf(__atomic_load_n(&record.word, __ATOMIC_ACQUIRE)) != kEntryWaiting ||
      Load(record.ticket) != ticket)
    return;
  if (current > deadline)
    __atomic_compare_exchange_n(&record.deadline_ns, &current, deadline, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

Outcome Board::Look(const Outcome& before, uint64_t now) {
  const BoardLock lock(this, now);
  if (!lock.held()) return LookUnlocked(before, now);
  return LookLocked(before, now);
}

// Answers from the entry alone while the lock is not available.
Outcome Board::LookUnlocked(const Outcome& before, uint64_t now) {
  if (!Valid(before.entry)) return Lost(before, now);
  Entry& record = At(before.entry);
  const uint32_t word = __atomic_load_n(&record.word, __ATOMIC_ACQUIRE);
  if (Load(record.ticket) != before.ticket) return Lost(before, now);
  const uint64_t deadline = std::min(Load(record.deadline_ns), before.deadline_ns);
  Outcome outcome = before;
  outcome.deadline_ns = deadline;
  const uint32_t state = StateOf(word);
  if (state == kEntryHeld || (state == kEntryGranted && Turn(record, kEntryGranted, kEntryHeld))) {
    outcome.answer = Answer::kGo;
    outcome.waited_ns = state == kEntryGranted ? WaitOf(record) : 0;
    return outcome;
  }
  // The grant was taken back a moment ago, so the entry waits again.
  if (state != kEntryWaiting && state != kEntryGranted) return Lost(before, now);
  if (now >= deadline) {
    GiveUp(before.entry, before.ticket);
    CountUncounted();
    outcome.answer = Answer::kUncounted;
    outcome.entry = kNoEntry;
    return outcome;
  }
  outcome.answer = Answer::kWait;
  outcome.word = word;
  outcome.look_again_ns = std::min(now + kSecondLookNs, deadline);
  return outcome;
}

Outcome Board::Await(const Outcome& before) {
  if (!Valid(before.entry)) return Look(before, Now());
  WaitClock clock(before.ahead_ns);
  uint32_t& word = At(before.entry).word;
  if (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == before.word) {
    // A cancellation point, like glibc's own blocking calls.
    int type = 0;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
    clock.Sleep(&word, before.word, before.look_again_ns);
    pthread_setcanceltype(type, nullptr);
  }
  Outcome outcome = Look(before, clock.Now());
  outcome.ahead_ns = clock.ahead();
  return outcome;
}

// Lets every entry go that can, in the order of arrival, and marks and wakes the entry that is then
// the first to wait for a policy. If `all` is set, walks along the whole list. That is needed after
// a change of the policies, when an entry may wait for no policy any more. Returns the policies at
// which no entry behind all of these may go.
uint64_t Board::LetGo(uint64_t now, bool all) {
  uint64_t waited_for = 0;
  for (uint32_t i = 0; i < policies_used(); ++i) {
    if (records_[i].waiting > 0 && records_[i].rule.on_limit != kWarn) waited_for |= Bit(i);
  }
  Walk walk = {};
  const uint32_t most = all ? capacity_.entries : kMostLookedAt;
  uint32_t entry = Load(header_->first_waiting);
  for (uint32_t steps = 0; Valid(entry) && steps < capacity_.entries; ++steps) {
    if (!all && (waited_for & ~walk.behind) == 0) return walk.behind;
    if (steps == most) return walk.behind | waited_for;
    Entry& record = At(entry);
    const uint32_t next = Next(entry);
    const uint32_t state = StateOf(__atomic_load_n(&record.word, __ATOMIC_ACQUIRE));
    if (state != kEntryWaiting && state != kEntryGone) {
      Distrust();
      return walk.behind | waited_for;
    }
    // A kEntryGone entry was given up without the lock.
    const bool passed = (Load(record.flags) & kEntryPassed) != 0;
    if (state == kEntryWaiting && !passed) LookAt(entry, now, &walk);
    entry = next;
  }
  return walk.behind;
}

// Lets `entry` go, or keeps places that the entries behind it must not take.
void Board::LookAt(uint32_t entry, uint64_t now, Walk* walk) {
  Entry& record = At(entry);
  const uint64_t policies = Load(record.policies);
  const uint64_t held = WithoutRoom(policies, now);
  const uint64_t blocked = held | (policies & walk->behind);
  if (blocked == 0) {
    Grant(entry, now);
    ForEach(policies, [&](uint32_t i) { Keep(i, 0, now, walk); });
    return;
  }
  if ((held & ~walk->behind) != 0 && (Load(record.flags) & kEntryHead) == 0) {
    record.flags = Load(record.flags) | kEntryHead;
    Wake(record);
  }
  walk->behind |= held;
  // The policy that holds these entries back can let no more than `at_once` of them go at a time.
  const uint32_t by = First(blocked);
  const Rule& rule = records_[by].rule;
  const uint32_t at_once = records_[by].filed.kind == kCap ? rule.limit : std::max(rule.burst, 1u);
  if (walk->blocked_by[by] >= at_once) return;
  ++walk->blocked_by[by];
  ForEach(policies & ~blocked, [&](uint32_t i) { Keep(i, 1, now, walk); });
}

// Keeps `places` more of a policy that queues connects, for entries that wait elsewhere. If no more
// places are left than are kept, no entry behind may go there.
void Board::Keep(uint32_t policy, uint32_t places, uint64_t now, Walk* walk) {
  const Record& record = records_[policy];
  if (record.rule.on_limit != kWait) return;
  walk->kept[policy] += places;
  if (walk->kept[policy] == 0) return;
  if (record.filed.kind != kCap || RoomOf(record, now) <= walk->kept[policy])
    walk->behind |= Bit(policy);
}

void Board::Grant(uint32_t entry, uint64_t now) {
  Entry& record = At(entry);
  const uint64_t arrived = Load(record.arrived_ns);
  const uint64_t waited = now > arrived ? now - arrived : 0;
  record.since_ns = now;  // stored first, because the thread may take the grant without the lock
  if (!Turn(record, kEntryWaiting, kEntryGranted)) {  // its thread gave it up just now
    record.since_ns = arrived;
    return;
  }
  Unlink(entry);
  CountWaiting(record.policies, -1);
  TakeRoom(entry, now);
  ++header_->granted;
  Record& policy = records_[Load(record.held_by) % kMaxPolicies];
  ++policy.waited;
  policy.held_back_ns = std::max(policy.held_back_ns, now);
  // An entry that waits for another policy as well may go later than its ticket says, so it does
  // not count.
  if (std::has_single_bit(record.policies)) policy.last_ticket = record.ticket;
  policy.longest_wait_ns = std::max(policy.longest_wait_ns, waited);
  policy.episode_longest_ns = std::max(policy.episode_longest_ns, waited);
  ledger::CountTime(policy.wait, waited);
  Wake(record);
}

// Takes grants back whose thread does not come for them, because a debugger has stopped it or
// `docker pause` has frozen it. Such an entry waits in its old position, and others are let go
// before it, until its thread comes back.
void Board::PassOver(uint64_t now) {
  if (header_->granted == 0) return;
  uint32_t granted = 0;
  for (uint32_t i = 1; i <= entries_used(); ++i) {
    Entry& record = At(i);
    if (StateOf(Load(record.word)) != kEntryGranted) continue;
    const uint64_t since = Load(record.since_ns);
    const bool recent = since <= now ? now - since < kClaimNs : since - now < kApartNs;
    if (recent) {
      ++granted;
    } else if (Turn(record, kEntryGranted, kEntryWaiting)) {
      TakeBack(i, now);
    }
  }
  header_->granted = granted;
}

void Board::TakeBack(uint32_t entry, uint64_t now) {
  Entry& record = At(entry);
  const uint64_t policies = Load(record.policies);
  CountUse(policies, -1);
  EndProbe(entry, policies, now);
  ForEach(policies, [&](uint32_t i) {
    if (records_[i].admitted > 0) --records_[i].admitted;
    if (records_[i].filed.kind == kPace) records_[i].full_at_ns = FullAtBefore(records_[i]);
  });
  Record& policy = records_[Load(record.held_by) % kMaxPolicies];
  if (policy.waited > 0) --policy.waited;
  record.since_ns = Load(record.arrived_ns);
  record.flags = (Load(record.flags) | kEntryPassed) & ~uint32_t{kEntryHead};
  PutBack(entry);
  ++header_->passed_over;
}

// Returns true if the entry was passed over. From now on it counts as waiting again.
bool Board::ComeBack(Entry& record) {
  if ((Load(record.flags) & kEntryPassed) == 0) return false;
  record.flags = Load(record.flags) & ~uint32_t{kEntryPassed};
  CountWaiting(Load(record.policies), 1);
  return true;
}

// Returns false if the entry is not in state `from`, because its thread has given it up without the
// lock.
bool Board::Turn(Entry& entry, EntryState from, EntryState to) {
  uint32_t word = __atomic_load_n(&entry.word, __ATOMIC_ACQUIRE);
  while (StateOf(word) == from) {
    if (__atomic_compare_exchange_n(&entry.word, &word, (word & ~0xffu) | to, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
      return true;
  }
  return false;
}

// Gives an entry up without the lock. The next thread that gets the lock rebuilds the board.
void Board::GiveUp(uint32_t entry, uint64_t ticket) {
  Entry& record = At(entry);
  uint32_t word = __atomic_load_n(&record.word, __ATOMIC_ACQUIRE);
  do {
    if (__atomic_load_n(&record.ticket, __ATOMIC_RELAXED) != ticket) return;
    const uint32_t state = StateOf(word);
    if (state == kEntryFree || state == kEntryGone) return;
  } while (!__atomic_compare_exchange_n(&record.word, &word, (word & ~0xffu) | kEntryGone, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
  __atomic_fetch_add(&header_->gone, 1u, __ATOMIC_SEQ_CST);
}

void Board::Wake(Entry& entry) {
  __atomic_fetch_add(&entry.word, 0x100u, __ATOMIC_RELEASE);
  if ((Load(entry.flags) & kEntryParked) == 0) {
    FutexWake(&entry.word, 1);
    return;
  }
  uint32_t* word = WakeWord(Load(entry.member));
  if (word == nullptr) return;
  __atomic_fetch_add(word, 1u, __ATOMIC_RELEASE);
  FutexWake(word, 1);
}

// Frees an entry and what it held. The caller calls LetGo afterwards.
void Board::GiveBack(uint32_t entry, uint64_t now) {
  Entry& record = At(entry);
  const uint32_t state = StateOf(__atomic_load_n(&record.word, __ATOMIC_ACQUIRE));
  if (state == kEntryFree) return;
  // The entry was given up without the lock, from the list or from a place. Rebuild frees it.
  if (state == kEntryGone) return Distrust();
  if (state == kEntryWaiting) {
    Unlink(entry);
    if ((Load(record.flags) & kEntryPassed) == 0) CountWaiting(record.policies, -1);
  } else {
    CountUse(record.policies, -1);
    if (state == kEntryGranted && header_->granted > 0) --header_->granted;
  }
  EndProbe(entry, record.policies, now);
  const uint32_t member = Load(record.member);
  if (member - 1 < capacity_.members && members_[member - 1].entries > 0)
    --members_[member - 1].entries;
  FreeEntry(entry);
}

// Ends the probe of a full server by an entry that is given back, or whose connect failed for
// another reason.
void Board::EndProbe(uint32_t entry, uint64_t policies, uint64_t now) {
  ForEach(policies, [&](uint32_t i) {
    if (records_[i].prober != entry) return;
    __atomic_store_n(&records_[i].prober, kNoEntry, __ATOMIC_RELAXED);
    records_[i].probe_at_ns = now;
  });
}

void Board::Withdraw(uint32_t entry, uint64_t ticket, uint64_t now) {
  if (!Valid(entry)) return;
  const BoardLock lock(this, now);
  if (!lock.held()) return GiveUp(entry, ticket);
  if (At(entry).ticket != ticket) return;
  GiveBack(entry, now);
  if (Valid(header_->first_waiting)) LetGo(now);
}

Outcome Board::Adopt(const Request& request) {
  const BoardLock lock(this, request.now);
  if (!lock.held() || request.member - 1 >= capacity_.members) {
    CountUncounted();
    return {};
  }
  return Hold(request, true);
}

void Board::Recount(uint32_t entry, uint64_t policies, uint64_t now) {
  const BoardLock lock(this, now);
  if (!lock.held() || !Valid(entry) || StateOf(At(entry).word) != kEntryHeld) return;
  EndProbe(entry, At(entry).policies & ~policies, now);
  CountUse(At(entry).policies & ~policies, -1);
  CountUse(policies & ~At(entry).policies, 1);
  At(entry).policies = policies;
  LetGo(now);
}

void Board::Settle(uint32_t entry, bool server_full, uint64_t now) {
  const BoardLock lock(this, now);
  if (!Valid(entry)) return;
  if (!lock.held()) {
    // The result of the probe is lost. The connection may live for hours, so the next connect may
    // probe now.
    ForEach(At(entry).policies, [&](uint32_t i) {
      uint32_t prober = entry;
      __atomic_compare_exchange_n(&records_[i].prober, &prober, kNoEntry, false, __ATOMIC_RELAXED,
                                  __ATOMIC_RELAXED);
    });
    return;
  }
  ForEach(At(entry).policies, [&](uint32_t i) {
    Record& record = records_[i];
    const bool probing = record.prober == entry;
    if (probing) __atomic_store_n(&record.prober, kNoEntry, __ATOMIC_RELAXED);
    if (record.filed.kind != kPace || record.rule.on_server_full != kFullBackoff) return;
    if (!server_full) {
      if (probing) {
        record.server_full_since_ns = 0;
        record.probes = 0;
      }
      return;
    }
    ++record.server_full_count;
    if (record.server_full_since_ns == 0) {
      record.server_full_since_ns = now;
      record.probes = 0;
    } else if (probing) {
      ++record.probes;
    } else {
      return;  // this connect began before the server was found full
    }
    record.probe_at_ns = now + Backoff(record.probes, At(entry).ticket ^ now);
  });
  LetGo(now);
}

}  // namespace pqleash::caps
