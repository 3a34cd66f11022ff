// SPDX-License-Identifier: Apache-2.0
//
// The caps of one process. Caps knows which policies apply to a connect, and takes the connect over
// the two boards: first the process's own (scope process), then the shared one (scopes service and
// user). It holds no lock while libpq runs.
//
// If the shared board is not available, policies of scope service and user are kept on the
// process's own board. That is logged, and the shared board is tried again once a second. If the
// board's file was removed and other processes have made a new one, the process enters what it
// holds on the new one. If the process now runs as another user than the one whose board it has
// mapped, it leaves that board (caps_board.cc).
//
// Thread-safe except for Begin. No heap. A slot may be used by one thread at a time, and by the
// thread that serves parked connects. Times are CLOCK_MONOTONIC in nanoseconds.

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
  uint64_t source;  // hash of the path of its file; 0: only variables
  uint64_t stamp;   // st_mtim of the file in nanoseconds; 0: no file
  Policy policies[kMaxPolicies];
};

// A connect that asks for its places.
struct Ask {
  uint32_t slot;
  uint64_t policies;  // the policies that Matching returned
  uint64_t call_site;
  uint64_t now;
  uint64_t since;     // when the connection was made, if it exists already; 0: it does not
  uint64_t deadline;  // from connect_timeout; 0: none
  bool may_wait;
  bool parked;
};

// What a slot has on the boards. Valid as zero bytes.
struct Claim {
  enum Stage : uint32_t { kNone, kAtOwn, kAtShared, kThrough };
  bool Waits() const { return stage == kAtOwn || stage == kAtShared; }
  uint32_t stage;
  bool closing;  // the connection is about to end: no new places for it
  uint32_t own;  // numbers of its entries; kNoEntry: none
  uint32_t shared;
  uint32_t board;  // SharedBoards number of the board that `shared` is on
  uint64_t own_ticket;
  uint64_t shared_ticket;
  uint64_t waited_ns;  // time spent at the boards that it has passed
  Outcome latest;      // of the board that it waits at, or that refused it
  Ask ask;
};

// Tells Caps about the process's connections and code. The tracker implements it; tests have a
// fake.
class Surveyor {
 public:
  // Writes where a call site is, in words: 'orders.py line 42 in checkout'. The text must not
  // contain a colon, because psycopg cuts messages at the first one (libpq-facts).
  virtual void Describe(uint64_t call_site, char (&text)[kMaxLabel + 1]) = 0;
  // Tells whether `slot` is an established connection. If so, sets what policies are matched
  // against, and when the connection was made (CLOCK_MONOTONIC, nanoseconds).
  virtual bool Held(uint32_t slot, Endpoint* endpoint, uint64_t* call_site, uint64_t* since) = 0;
  // Returns the number of slots.
  virtual uint32_t Slots() = 0;
  // Reads the configuration again if its file has changed. Returns false if it has not, or if it
  // cannot be used; the latter is logged.
  virtual bool ReadAgain(Configured* configured) = 0;

 protected:
  ~Surveyor() = default;
};

class Caps final : public Clerk {
 public:
  // Pointers must stay valid for the life of the process.
  struct Start {
    const Configured* configured;
    Surveyor* surveyor;
    const char* service;
    const char* directory;  // of the ledgers
    MemberIdentity identity;
    void* own_memory;  // zeroed memory of Board::Size(own_capacity) bytes
    BoardCapacity own_capacity;
    Board::Populate populate;
    int directory_fd;  // directory of the ledgers, for the shared board; -1: none
    uint32_t uid;
    BoardPlace place;
    bool few_calls;  // a filter of system calls may come: make only those of shim/SYSCALLS.md
    Claim* claims;   // one per slot
  };
  // Starts the caps. To be called once, before any other function and by one thread.
  void Begin(const Start& start, uint64_t now);

  // Notices what an operator or a file has changed. To be called first at each connect and at the
  // end of each connection. If nothing has changed, it costs a load and a compare.
  void Refresh(uint64_t now);

  // Since when configured policies are not in force because the board was locked, in nanoseconds.
  // 0: all are in force.
  uint64_t LockedOutSince() const { return locked_out_since_ns_.load(std::memory_order_relaxed); }

  // Sure returns the policies that apply to a connect from `call_site` whatever its target is.
  // Conditional returns those that may apply, depending on the target. Matching returns those that
  // do apply.
  uint64_t Sure(uint64_t call_site) const;
  uint64_t Conditional() const { return conditional_.load(std::memory_order_relaxed); }
  uint64_t Matching(const Endpoint& endpoint, uint64_t call_site);
  // Changes whenever Matching may answer differently. For callers that keep its answers.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Asks for the places of a connect and keeps them for `ask.slot`. With kGo or kUncounted the
  // connect may go. With kWait the caller calls Await or Look until the answer is another one. With
  // kRefused or kTimedOut the slot holds nothing. Await sleeps and is a cancellation point: if the
  // thread is cancelled, its clean-up handler must call GiveBack.
  Outcome Enter(const Ask& ask);
  Outcome Await(uint32_t slot);
  Outcome Look(uint32_t slot, uint64_t now);
  // Bounds the wait of a connect by `deadline`, which comes from its connect_timeout.
  void Shorten(uint32_t slot, uint64_t deadline);
  // Gives back the places of a slot: its connection has ended, has failed, or is not to be made
  // after all.
  void GiveBack(uint32_t slot, uint64_t now);
  // Lets a waiting connect go at once and counts it, whatever the limits. Does nothing if it waits
  // no longer.
  void AdmitBeyond(uint32_t slot, uint64_t now);
  // Returns the latest answer for a slot.
  const Outcome& Latest(uint32_t slot) const { return start_.claims[slot].latest; }
  // Whether any policy is in force for this process.
  bool Any() const { return applying_.load(std::memory_order_relaxed) != 0; }
  // Returns the policy with this number. It may change when an operator or a file changes it.
  const Policy& policy(uint32_t number) const { return policies_[number % kMaxPolicies]; }
  // Whether the connect of the slot may go, or its connection counts.
  bool Holds(uint32_t slot) const { return start_.claims[slot].stage == Claim::kThrough; }
  // Prepares the slot for a new connection.
  void Open(uint32_t slot);
  // Counts connections that were open before an attach, from `now` on.
  void EnrolHeld(uint64_t now);
  // Reports the result of the connect to its paces.
  void Settle(uint32_t slot, bool server_full, uint64_t now);
  // Gives back everything, at the end of the process.
  void Leave(uint64_t now);

  // Writes the sentence for the host whose connect was refused with `outcome`; see refusal.h.
  void Explain(const Outcome& outcome, char (&text)[kRefusalSize]);

  // Clerk.
  Parked Look(uint32_t slot, uint64_t now, uint64_t* look_again) override;
  uint32_t Changes() override;
  void Sleep(uint32_t seen, uint64_t until, WaitClock& clock) override;
  void Nudge() override;

 private:
  // The outcomes with which a stretch at a limit began, one per board. They are logged later.
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
  std::atomic<uint64_t> conditional_ = 0;  // those of them with a pattern over the target
  std::atomic<uint64_t> by_site_ = 0;      // those of them with a call site
  std::atomic<uint64_t> own_mask_ = 0;     // those of them on the process's own board
  Policy policies_[kMaxPolicies] = {};     // by their number on the boards; see Keep
  std::atomic<uint64_t> logged_full_ns_[kMaxPolicies] = {};
  uint64_t enrol_until_ns_ = 0;  // set when another board was opened
  uint64_t others_at_ns_ = 0;    // when boards of other versions were last looked for
  uint32_t others_ = 0;          // how many there were
  BoundedLock renewing_;         // guards what changes with the policies
  BoundedLock joining_;
  // Guards `closing` of the claims, and claims that a change of policies makes. The thread that
  // holds it logs nothing, and waits for nothing but the lock of a board.
  BoundedLock claiming_;
  bool said_full_ = false;
  // See LockedOutSince. Changed under renewing_.
  std::atomic<uint64_t> locked_out_since_ns_ = 0;
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_CAPS_H_
