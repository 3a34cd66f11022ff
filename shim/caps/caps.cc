// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/caps.h"

#include <algorithm>
#include <utility>

#include "shim/log/log.h"
#include "shim/support/clock.h"
#include "shim/support/futex.h"
#include "shim/support/host_state.h"
#include "shim/support/undisturbed_lock.h"

namespace pqleash::caps {

namespace {

constexpr uint32_t kOwnMember = 1;
constexpr uint64_t kLookAgainNs = 10'000'000;  // after the claims could not be locked

}  // namespace

void Caps::Begin(const Start& start, uint64_t now) {
  start_ = start;
  // Copies only the policies that exist. Most processes have none, and need no pages for them.
  configured_.count = start.configured->count;
  configured_.source = start.configured->source;
  configured_.stamp = start.configured->stamp;
  std::copy_n(start.configured->policies, configured_.count, configured_.policies);
  if (start.few_calls) UseFewCalls(ProcessOwner(start.identity.pid, start.identity.start_ticks));
  char problem[256];
  boards_.Use(start.directory, start.uid, start.place);
  if (start.directory_fd >= 0 && !boards_.Open(start.directory_fd, problem)) {
    log::Write(log::Level::kError, log::Event::kBoardUnavailable,
               "%s; caps of scope service and user count this process alone, and 'pqleash caps' "
               "does not reach it",
               problem);
  }
  looked_at_file_ns_.store(now, std::memory_order_relaxed);
  const BoundedLockHolder lock(renewing_);
  Renew(now);
  if (!start.few_calls) CountOthers(start.directory_fd, now);
}

// -------------------------------------------------------------------------------------------------
// The way of a connect.

uint32_t Caps::Join(uint64_t now) {
  uint32_t member = member_.load(std::memory_order_acquire);
  if (member != kNoEntry) return member;
  // Board::Join takes the place of an earlier member with this pid, so only one thread may join.
  const BoundedLockHolder lock(joining_);
  member = member_.load(std::memory_order_acquire);
  if (member != kNoEntry || !lock.held()) return member;
  member = Shared().Join(start_.identity, now);
  if (member == kNoEntry) return kNoEntry;
  own_.UseWakeWord(Shared().WakeWord(member));
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
  {
    // The thread that serves parked connects may be about to look at the slot's previous
    // connection.
    const UndisturbedLockHolder lock(claiming_);
    if (!lock.held()) return GoUncounted(ask.policies);
    claim.closing = false;
    claim.own = kNoEntry;
    claim.shared = kNoEntry;
    claim.board = boards_.number();
    claim.waited_ns = 0;
    claim.ask = ask;
    claim.stage = Claim::kNone;
  }
  const uint64_t own_mask = own_mask_.load(std::memory_order_acquire);
  // Makes the word that wakes the thread for parked connects.
  if (ask.parked && Shared().attached()) Join(ask.now);
  Outcome outcome;
  const uint64_t policies = ask.policies & own_mask;
  if (policies != 0) outcome = own_.Enter(RequestOf(ask, own_, kOwnMember, policies));
  Stretches begun;
  if (ask.parked) {
    const UndisturbedLockHolder lock(claiming_);
    if (!lock.held()) {
      own_.Withdraw(outcome.entry, outcome.ticket, ask.now);
      return GoUncounted(ask.policies);
    }
    claim.stage = Claim::kAtOwn;
    outcome = Advance(ask.slot, outcome, ask.now, &begun);
  } else {
    // If a thread waits in place, no other thread touches its claim.
    claim.stage = Claim::kAtOwn;
    outcome = Advance(ask.slot, outcome, ask.now, &begun);
  }
  Note(begun, ask.now);
  return outcome;
}

// Counts a connect that goes on without its places because the claims could not be locked.
Outcome Caps::GoUncounted(uint64_t policies) {
  const uint64_t own_mask = own_mask_.load(std::memory_order_acquire);
  if ((policies & own_mask) != 0 && own_.attached()) own_.CountUncounted();
  if ((policies & ~own_mask) != 0 && Shared().attached()) Shared().CountUncounted();
  return {};
}

// Moves a claim on after `outcome` of the board that it is at. Stretches that begin are added to
// `begun` for the caller to log, because the claims may be locked here.
Outcome Caps::Advance(uint32_t slot, const Outcome& outcome, uint64_t now, Stretches* begun) {
  Claim& claim = start_.claims[slot];
  Outcome latest = outcome;
  while (true) {
    if (latest.entered && begun->count < Stretches::kBoards) begun->at[begun->count++] = latest;
    if (claim.stage == Claim::kAtShared && claim.board != boards_.number())
      latest = MoveOver(claim, latest, now);
    const bool at_own = claim.stage == Claim::kAtOwn;
    (at_own ? claim.own : claim.shared) = latest.entry;
    (at_own ? claim.own_ticket : claim.shared_ticket) = latest.ticket;
    if (latest.answer == Answer::kWait) break;
    if (latest.answer == Answer::kRefused || latest.answer == Answer::kTimedOut) {
      own_.Withdraw(claim.own, claim.own_ticket, now);
      claim.own = kNoEntry;
      claim.stage = Claim::kNone;
      claim.ask.policies = 0;
      break;
    }
    claim.waited_ns += latest.waited_ns;
    const uint64_t policies = claim.ask.policies & ~own_mask_.load(std::memory_order_acquire);
    if (!at_own || policies == 0 || !Shared().attached()) {
      claim.stage = Claim::kThrough;
      latest.waited_ns = claim.waited_ns;
      break;
    }
    claim.stage = Claim::kAtShared;
    claim.board = boards_.number();
    Board& board = boards_.At(claim.board);
    Ask ask = claim.ask;
    ask.now = now;
    const uint32_t member = Join(now);
    latest = member != kNoEntry ? board.Enter(RequestOf(ask, board, member, policies)) : Outcome();
  }
  claim.latest = latest;
  return latest;
}

Outcome Caps::Await(uint32_t slot) {
  const Claim& claim = start_.claims[slot];
  const Outcome outcome = BoardOf(claim).Await(claim.latest);
  const uint64_t now = Now();
  Refresh(now);
  Stretches begun;
  const Outcome latest = Advance(slot, outcome, now, &begun);
  Note(begun, now);
  return latest;
}

Outcome Caps::Look(uint32_t slot, uint64_t now) {
  Stretches begun;
  const Outcome latest = LookAtClaim(slot, now, &begun);
  Note(begun, now);
  return latest;
}

Outcome Caps::LookAtClaim(uint32_t slot, uint64_t now, Stretches* begun) {
  // The host may poll at the same time as the thread that serves parked connects.
  const UndisturbedLockHolder lock(claiming_);
  if (!lock.held()) {
    Outcome later;
    later.answer = Answer::kWait;
    later.look_again_ns = now + kLookAgainNs;
    return later;
  }
  const Claim& claim = start_.claims[slot];
  // The parked connection is gone, and another one uses the slot.
  if (!claim.ask.parked) return {};
  if (!claim.Waits()) return claim.latest;
  return Advance(slot, BoardOf(claim).Look(claim.latest, now), now, begun);
}

void Caps::Shorten(uint32_t slot, uint64_t deadline) {
  const UndisturbedLockHolder lock(claiming_);
  Claim& claim = start_.claims[slot];
  // If a thread waits in place, no other thread touches its claim.
  if (!claim.Waits() || (!lock.held() && claim.ask.parked)) return;
  claim.ask.deadline = deadline;  // for the boards that the claim has not reached yet
  claim.latest.look_again_ns = std::min(claim.latest.look_again_ns, deadline);
  BoardOf(claim).Shorten(claim.latest.entry, claim.latest.ticket, deadline);
}

void Caps::Open(uint32_t slot) {
  // An entry of a policy that was installed between the last use of the slot and its end.
  if (start_.claims[slot].stage != Claim::kNone) GiveBack(slot, Now());
  start_.claims[slot].closing = false;
}

void Caps::GiveBack(uint32_t slot, uint64_t now) {
  Claim& claim = start_.claims[slot];
  if (applying_.load(std::memory_order_relaxed) == 0 && claim.stage == Claim::kNone) return;
  uint32_t own;
  uint32_t shared;
  uint64_t own_ticket;
  uint64_t shared_ticket;
  uint32_t board;
  {
    // The places must be given back even without the lock. If it is not available for so long, its
    // holder was ended inside.
    const UndisturbedLockHolder lock(claiming_);
    board = claim.board;
    own = std::exchange(claim.own, kNoEntry);
    shared = std::exchange(claim.shared, kNoEntry);
    own_ticket = claim.own_ticket;
    shared_ticket = claim.shared_ticket;
    claim.ask.policies = 0;
    claim.stage = Claim::kNone;
    claim.closing = true;
  }
  if (shared != kNoEntry) {
    boards_.At(board).Withdraw(shared, shared_ticket, now);
    NoteEpisodes(boards_.At(board), now);
  }
  if (own != kNoEntry) {
    own_.Withdraw(own, own_ticket, now);
    NoteEpisodes(own_, now);
  }
}

void Caps::AdmitBeyond(uint32_t slot, uint64_t now) {
  // The thread that serves parked connects may let this connect go at the same time. Without the
  // lock this goes on as in GiveBack: an entry that stayed in the list would hold up those behind
  // it.
  const UndisturbedLockHolder lock(claiming_);
  Claim& claim = start_.claims[slot];
  if (!claim.Waits()) return;
  const bool at_own = claim.stage == Claim::kAtOwn;
  uint32_t& entry = at_own ? claim.own : claim.shared;
  BoardOf(claim).Withdraw(entry, at_own ? claim.own_ticket : claim.shared_ticket, now);
  entry = kNoEntry;
  claim.ask.now = now;
  Count(claim);
}

// Counts a connection for the policies of its claim, whatever their limits.
void Caps::Count(Claim& claim) {
  claim.stage = Claim::kThrough;
  if (own_.attached()) CountAt(own_, claim.own, claim.own_ticket, claim.ask);
  Board& board = boards_.At(claim.board);
  if (board.attached()) CountAt(board, claim.shared, claim.shared_ticket, claim.ask);
}

void Caps::CountAt(Board& board, uint32_t& entry, uint64_t& ticket, const Ask& ask) {
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

void Caps::Settle(uint32_t slot, bool server_full, uint64_t now) {
  const Claim& claim = start_.claims[slot];
  if (claim.stage != Claim::kThrough) return;
  uint64_t paces = 0;
  ForEach(claim.ask.policies, [&](uint32_t i) {
    if (policies_[i].kind == kPace) paces |= Bit(i);
  });
  if (paces == 0) return;
  const uint64_t own_mask = own_mask_.load(std::memory_order_acquire);
  if ((paces & own_mask) != 0) own_.Settle(claim.own, server_full, now);
  if ((paces & ~own_mask) != 0) boards_.At(claim.board).Settle(claim.shared, server_full, now);
}

void Caps::Leave(uint64_t now) {
  const uint32_t member = member_.load(std::memory_order_acquire);
  if (member != kNoEntry) Shared().Leave(member, now);
  // The process ends and cannot wait until a stretch has been quiet long enough, so it logs the
  // stretch as if it had.
  if (own_.attached()) NoteEpisodes(own_, now + kQuietNs);
  if (Shared().attached()) NoteEpisodes(Shared(), now + kQuietNs);
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

void Caps::Sleep(uint32_t seen, uint64_t until, WaitClock& clock) {
  clock.Sleep(WakeWord(), seen, until);
}

void Caps::Nudge() {
  __atomic_fetch_add(WakeWord(), 1u, __ATOMIC_RELEASE);
  FutexWake(WakeWord(), 1);
}

// Both boards wake the thread through the same word.
uint32_t* Caps::WakeWord() {
  const uint32_t member = member_.load(std::memory_order_acquire);
  return member != kNoEntry ? Shared().WakeWord(member) : own_.WakeWord(kOwnMember);
}

}  // namespace pqleash::caps
