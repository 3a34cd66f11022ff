// SPDX-License-Identifier: Apache-2.0
//
// The caps of one process: which policies speak of a connect, and its way over the two boards,
// first the process's own (scope process), then the shared one. Nothing of it is held while libpq
// runs.
//
// Where the shared board is not to be had, policies of scope service and user are kept on the
// process's own board, which is said, and the shared one is asked for again once a second. Where
// the file was removed and others have made a new one, what the process holds is entered there. One
// that the process has mapped as another user than it runs as now is left (caps_board.cc).
//
// Thread-safe but for Start. No heap. A slot is used by one thread at a time, and by the thread
// that serves parked connects.

#ifndef PQLEASH_SHIM_CAPS_CAPS_H_
#define PQLEASH_SHIM_CAPS_CAPS_H_

#include <atomic>
#include <cstdint>

#include "shim/caps/board.h"
#include "shim/caps/clerk.h"
#include "shim/caps/policy.h"
#include "shim/caps/policy_set.h"
#include "shim/caps/refusal.h"
#include "shim/caps/shared_boards.h"
#include "shim/support/bounded_lock.h"

namespace pqleash::caps {

// The policies of a configuration.
struct Configured {
  uint32_t count;
  uint64_t source;  // hash of the path of its file; 0: variables alone
  uint64_t stamp;   // st_mtim of the file, ns; 0: none
  Policy policies[kMaxPolicies];
};

// A connect that asks for its places.
struct Ask {
  uint32_t slot;
  uint64_t policies;  // as Matching found them
  uint64_t call_site;
  uint64_t now;
  uint64_t since;     // of a connection that is there already; 0: of none
  uint64_t deadline;  // of connect_timeout; 0: none
  bool may_wait;
  bool parked;
};

// What a slot has on the boards. Valid as zero bytes.
struct Claim {
  enum Stage : uint32_t { kNone, kAtOwn, kAtShared, kThrough };
  bool Waits() const { return stage == kAtOwn || stage == kAtShared; }
  uint32_t stage;
  bool closing;  // its connection is about to end: nothing is to be claimed for it any more
  uint32_t own;  // entries, kNoEntry: none
  uint32_t shared;
  uint32_t board;  // number of the shared board that `shared` is on
  uint64_t own_ticket;
  uint64_t shared_ticket;
  uint64_t waited_ns;  // at the boards that it has passed
  Outcome latest;      // of the board that it waits at, or that refused it
  Ask ask;
};

// What the process knows of its connections and code, for those who have no eyes for it.
class Surveyor {
 public:
  // In words where a call site is: 'orders.py line 42 in checkout'. No colon in it
  // (libpq-facts: psycopg cuts messages at the first).
  virtual void Describe(uint64_t call_site, char (&text)[kMaxLabel + 1]) = 0;
  // The established connections: for each its slot, what policies are matched against, and since
  // when it is there (CLOCK_MONOTONIC, ns). False when `slot` is none.
  virtual bool Held(uint32_t slot, Endpoint* endpoint, uint64_t* call_site, uint64_t* since) = 0;
  virtual uint32_t Slots() = 0;
  // Reads the configuration again if its file has changed.
  // False: unchanged, or it cannot be used, which has been logged.
  virtual bool ReadAgain(Configured* configured) = 0;

 protected:
  ~Surveyor() = default;
};

class Caps final : public Clerk {
 public:
  struct Start {
    const Configured* configured;
    Surveyor* surveyor;
    const char* service;
    const char* directory;  // of the ledgers
    MemberIdentity identity;
    void* own_memory;  // zeroed, Board::Size(own_capacity)
    BoardCapacity own_capacity;
    Board::Populate populate;
    int directory_fd;  // of the ledgers, for the shared board; -1: there is none
    uint32_t uid;
    BoardPlace place;
    bool few_calls;  // a filter of system calls may come: none but those of shim/SYSCALLS.md
    Claim* claims;   // one a slot
  };
  void Begin(const Start& start, uint64_t now);

  // First thing at a connect and at the end of a connection: notices what an operator or the file
  // has changed. A load and a compare where nothing has.
  void Refresh(uint64_t now);

  // Since when policies of the configuration are not in force as configured because the board is
  // locked, ns; 0: all are in force.
  uint64_t LockedOutSince() const { return locked_out_since_ns_.load(std::memory_order_relaxed); }

  // Policies that speak of a connect from `call_site` whatever its target is, and those that may,
  // depending on the target.
  uint64_t Sure(uint64_t call_site) const;
  uint64_t Conditional() const { return conditional_.load(std::memory_order_relaxed); }
  uint64_t Matching(const Endpoint& endpoint, uint64_t call_site);
  // Changes whenever Matching may answer otherwise: for those who keep its answers.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Asks for the places of a connect, and puts them under `slot`. kGo, kUncounted: it may go.
  // kWait: Await or Look, until they say something else. kRefused, kTimedOut: nothing is held.
  Outcome Enter(const Ask& ask);
  Outcome Await(uint32_t slot);
  Outcome Look(uint32_t slot, uint64_t now);
  // The connect waits until `deadline` at the latest, of its connect_timeout.
  void Shorten(uint32_t slot, uint64_t deadline);
  // The connection has ended, failed, or is not to be made after all.
  void GiveBack(uint32_t slot, uint64_t now);
  // A connect that waits goes on at once, and counts whatever the limits. Nothing happens to one
  // that waits no longer.
  void AdmitBeyond(uint32_t slot, uint64_t now);
  // The latest answer to a slot.
  const Outcome& Latest(uint32_t slot) const { return start_.claims[slot].latest; }
  // Whether any policy is in force for this process.
  bool Any() const { return applying_.load(std::memory_order_relaxed) != 0; }
  const Policy& policy(uint32_t number) const { return policies_[number % kMaxPolicies]; }
  bool Holds(uint32_t slot) const { return start_.claims[slot].stage == Claim::kThrough; }
  // A new connection will use the slot.
  void Open(uint32_t slot);
  // What came of the connect, for paces.
  void Settle(uint32_t slot, bool server_full, uint64_t now);
  // The process ends.
  void Leave(uint64_t now);

  // The sentence for whoever was refused with `outcome`; see refusal.h.
  void Explain(const Outcome& outcome, char (&text)[kRefusalSize]);

  // Clerk.
  Parked Look(uint32_t slot, uint64_t now, uint64_t* look_again) override;
  uint32_t Changes() override;
  void Sleep(uint32_t seen, uint64_t until, WaitClock& clock) override;
  void Nudge() override;

 private:
  // What is to be logged of a connect that was held back: the outcome of each board with which a
  // stretch at the limit began.
  struct Stretches {
    static constexpr uint32_t kBoards = 2;
    Outcome at[kBoards];
    uint32_t count = 0;
  };

  void Renew(uint64_t now);
  uint64_t AdoptConfigured(uint64_t now);
  uint64_t AdoptAdded(uint64_t applying, uint64_t now);
  uint32_t Install(const Policy& policy, uint64_t now);
  uint32_t InForce(const Policy& policy) const;
  void NoteLockedOut(uint32_t policies, uint64_t now);
  bool Adopt(uint32_t number, const Policy& policy, Origin origin, uint64_t now);
  void Keep(uint32_t number, const Policy& policy);
  bool Configures(const char* name) const;
  uint64_t MatchingNow(const Endpoint& endpoint, uint64_t call_site) const;
  void Enrol(uint64_t now);
  void Count(Claim& claim);
  void CountAt(Board& board, uint32_t& entry, uint64_t& ticket, const Ask& ask);
  bool FollowBoard(uint64_t now);
  void LeaveBoard(uint64_t now);
  bool OpenAnother(uint64_t now);
  void CarryOver(const Board& from, uint64_t now);
  uint64_t Translate(uint64_t policies, const Board& from) const;
  Outcome MoveOver(Claim& claim, const Outcome& before, uint64_t now);
  void CountOthers(int directory, uint64_t now);
  void LogChange(uint32_t number);
  void LogRemoval(uint32_t number);
  Board& BoardOf(uint32_t policy) {
    return Contains(own_mask_.load(std::memory_order_relaxed), policy) ? own_ : Shared();
  }
  Board& BoardOf(const Claim& claim) {
    return claim.stage == Claim::kAtOwn ? own_ : boards_.At(claim.board);
  }
  Board& Shared() { return boards_.current(); }
  const Board& Shared() const { return boards_.current(); }
  uint32_t Join(uint64_t now);
  uint32_t Label(Board& board, uint64_t call_site, uint64_t now);
  Request RequestOf(const Ask& ask, Board& board, uint32_t member, uint64_t policies);
  Outcome Advance(uint32_t slot, const Outcome& outcome, uint64_t now, Stretches* begun);
  Outcome LookAtClaim(uint32_t slot, uint64_t now, Stretches* begun);
  Outcome GoUncounted(uint64_t policies);
  void Note(const Stretches& begun, uint64_t now);
  void Note(const Outcome& outcome, uint64_t now);
  void NoteEpisodes(Board& board, uint64_t now);
  uint32_t* WakeWord();

  Board own_;
  SharedBoards boards_;
  Start start_ = {};
  Configured configured_ = {};
  std::atomic<uint32_t> member_ = 0;
  std::atomic<uint32_t> seen_generation_ = 0;
  std::atomic<uint64_t> looked_at_file_ns_ = 0;
  std::atomic<uint64_t> version_ = 0;
  std::atomic<uint64_t> applying_ = 0;     // policies that are in force for this process
  std::atomic<uint64_t> conditional_ = 0;  // of these, those with a pattern over the target
  std::atomic<uint64_t> by_site_ = 0;      // of these, those with a call site
  std::atomic<uint64_t> own_mask_ = 0;     // of these, those on the process's own board
  Policy policies_[kMaxPolicies] = {};     // as numbered on the boards; see Keep
  std::atomic<uint64_t> logged_full_ns_[kMaxPolicies] = {};
  uint64_t enrol_until_ns_ = 0;  // after another board was opened
  uint64_t others_at_ns_ = 0;    // when boards of other versions were last looked for
  uint32_t others_ = 0;          // how many there were
  BoundedLock renewing_;         // what changes with the policies
  BoundedLock joining_;
  // `closing` of the claims, and claims that come by a change. Nothing is written under it, nor is
  // anything waited for longer than for a board.
  BoundedLock claiming_;
  bool said_full_ = false;
  // LockedOutSince. Changed under renewing_.
  std::atomic<uint64_t> locked_out_since_ns_ = 0;
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_CAPS_H_
