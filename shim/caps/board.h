// SPDX-License-Identifier: Apache-2.0
//
// A board (layout.h) and everything that happens on it: connects are entered, wait in the order of
// their arrival, are let go, and give their place back.
//
// Invariants, whenever the lock is free
//  1. `use` of a policy is the number of entries that name it and are granted or held; `waiting` is
//     the number of those that name it and wait.
//  2. No entry waits that could go: for each that waits there is a policy that it names and that
//     has no room beside what is kept there for entries with smaller tickets (CAPS.md, The order).
//  3. Per policy, entries are let go in the order of their tickets. Whoever does not come within
//     kClaimNs is passed over until he does, and keeps his ticket and his deadline.
//  4. An entry of a process that is dead is found and given back at the latest 20 ms after the next
//     connect that would be held back because of it, or while anybody waits; 100 ms where the first
//     who waits is among the dead. Of more than 256 processes with entries, in turn.
// To wait for a policy is to name one whose rule says kWait while waiting. One that warns or
// rejects holds back nobody who has room elsewhere: it keeps no order.
//
// A process may be killed at any instruction. Whoever finds that the holder of the lock has died
// takes it over and makes everything anew from the entries. Nobody waits for the
// lock for longer than kLockPatience: then the connect goes on uncounted, which is counted; who is
// in the list already stays in it, and goes on uncounted at its deadline.
//
// Without the lock an entry can be given up, taken after the grant or given an earlier deadline, by
// its own thread alone: its word and its deadline change by compare-and-exchange, nothing else
// does.
//
// No heap, no exceptions. Thread-safe but for Create and Attach. Times are CLOCK_MONOTONIC in
// nanoseconds and are given by the caller.

#ifndef PQLEASH_SHIM_CAPS_BOARD_H_
#define PQLEASH_SHIM_CAPS_BOARD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shim/caps/board_place.h"
#include "shim/caps/layout.h"
#include "shim/caps/owner_lock.h"

namespace pqleash::caps {

inline constexpr uint64_t kLockPatienceNs = 100'000'000;
inline constexpr uint64_t kReapIntervalNs = 20'000'000;
// A place that its thread has not taken by then goes to the next.
inline constexpr uint64_t kClaimNs = 250'000'000;
// An entry that waits so long after its deadline is nobody's: its thread left by longjmp.
inline constexpr uint64_t kUnclaimedNs = 10'000'000'000;

// A stretch at the limit is over when nobody was held back for that long.
inline constexpr uint64_t kQuietNs = 1'000'000'000;

inline constexpr uint32_t kNoPolicyNumber = UINT32_MAX;
inline constexpr uint32_t kLockBusy = UINT32_MAX - 1;  // in place of a number: ask again

struct BoardCapacity {
  uint32_t members;
  uint32_t labels;  // a power of two
  uint32_t entries;
};
inline constexpr BoardCapacity kSharedCapacity = {8'192, 1'024, 65'536};

// Who a process is, for others to tell whether it lives.
struct MemberIdentity {
  int32_t pid;
  uint64_t start_ticks;
  uint64_t stack_start;
  const char* service;
  const char* ledger;  // name in the directory of the board; "": none
};

// A connect that asks to be let go.
struct Request {
  uint32_t member;
  uint64_t policies;
  uint32_t label;
  uint32_t slot;
  uint64_t now;
  uint64_t deadline;  // it waits no longer than that, whatever the policies allow; 0: as they allow
  bool may_wait;      // false: where it would wait, it is refused
  bool parked;        // nobody will sleep in Await
  uint64_t since = 0;  // of Adopt: when the connection was made
};

enum class Answer : uint32_t {
  kGo,         // `entry` holds a place
  kWait,       // `entry` is in the list
  kRefused,    // `policy` has no room; no entry
  kTimedOut,   // as kRefused, after a wait
  kUncounted,  // go on without an entry: none was free, or the lock was not to be had
};

struct Outcome {
  Answer answer = Answer::kUncounted;
  uint32_t entry = kNoEntry;
  uint32_t policy = kNoPolicyNumber;  // the first that had no room: that warned, holds back or
                                      // refuses; kNoPolicyNumber: none
  bool entered = false;               // with this connect a stretch at the limit of `policy` began
  bool server_full = false;           // of a pace: held back because the server is full
  uint64_t waited_ns = 0;             // since the arrival
  uint64_t look_again_ns = 0;         // kWait: when to call again even if not woken
  uint64_t ticket = 0;                // kGo, kWait: tells `entry` from a later use of the same
  uint64_t arrived_ns = 0;            // kWait: these two whatever the board says later
  uint64_t deadline_ns = 0;
  uint32_t word = 0;      // kWait: what Await sleeps on
  uint64_t ahead_ns = 0;  // kWait: what Await has slept beyond the clock, WaitClock
};

// What one policy's stretch at the limit came to, when it has ended.
struct Episode {
  uint32_t policy;
  uint64_t lasted_ns;
  uint64_t waited;
  uint64_t refused;
  uint64_t warned;
  uint64_t longest_wait_ns;
};

class Board {
 public:
  static uint64_t Size(const BoardCapacity& capacity);

  // Makes a board in zeroed memory of Size(capacity) bytes. `populate` makes pages of a range
  // before they are stored into, false: there is no room; nullptr: they are there.
  using Populate = bool (*)(void* begin, size_t size);
  bool Create(void* memory, const BoardCapacity& capacity, bool shared, const BoardPlace& place,
              Populate populate);
  // Uses a board that another process made. False: it is none, or of another version or size.
  bool Attach(void* memory, uint64_t size, Populate populate);
  bool attached() const { return header_ != nullptr; }
  // Wakes the thread that serves parked connects through this word instead of the member's. For
  // the board of the process; no effect on the shared one.
  void UseWakeWord(uint32_t* word) { wake_word_ = word; }

  const BoardHeader& header() const { return *header_; }
  // As it was when the board was made or attached, whatever the header says now.
  const BoardCapacity& capacity() const { return capacity_; }
  // Changes whenever a policy does: one load, no lock.
  uint32_t generation() const;
  // The record as it is at this moment; `number` below kMaxPolicies.
  const Record& record(uint32_t number) const { return records_[number]; }
  uint32_t use(uint32_t number) const;
  // Records from that number on were never used.
  uint32_t policies_used() const;

  // --- policies ---
  // Enters a policy, or finds the one of the same name and service. Its filed rule becomes
  // `policy`'s if `stamp` is newer than the record's. Returns its number; kNoPolicyNumber: no
  // room; kLockBusy: no lock. `differs` says that a file as new, or newer, says otherwise and is in
  // force.
  uint32_t Install(const Policy& policy, const char* service, Origin origin, uint64_t source,
                   uint64_t stamp, uint64_t now, bool* differs, int32_t changed_by = 0);
  // Puts record `number` as it is on another board on this one, in the same place. For the board
  // of the process.
  void Mirror(uint32_t number, const Record& record, uint64_t now);
  // Takes a policy out. Those who wait for it alone go on.
  void Retire(uint32_t number, uint64_t now, int32_t changed_by = 0);
  // The same for a policy that the file `source`, as of `stamp`, no longer has. Does nothing where
  // the record is another's by now, or a file that is as new has it.
  void RetireFiled(uint32_t number, const char* name, uint64_t source, uint64_t stamp,
                   uint64_t now);
  // What of a policy is in use on boards of other versions.
  void CountElsewhere(uint32_t number, uint32_t use, uint64_t now);
  // Puts `rule` in force, for `changed_by`. False: no lock.
  bool Override(uint32_t number, const Rule& rule, int32_t changed_by, uint64_t now);
  // Back to the filed rule.
  bool Reset(uint32_t number, int32_t changed_by, uint64_t now);
  // True for the first caller after a change by an operator: who logs it.
  bool Announce(uint32_t number);

  // --- members and labels ---
  uint32_t Join(const MemberIdentity& identity, uint64_t now);  // kNoEntry: no room
  void Leave(uint32_t member, uint64_t now);
  uint32_t LabelFor(uint64_t call_site) const;  // kNoEntry: not there yet
  uint32_t AddLabel(uint64_t call_site, const char* text, uint64_t now);

  // --- connects ---
  Outcome Enter(const Request& request);
  // Sleeps until `entry` was let go, its deadline came or its look_again_ns; then answers as Enter
  // does, kWait included: the caller looks after what else has to be done and calls again. A
  // cancellation point; the entry must then be withdrawn.
  Outcome Await(const Outcome& before);
  // It waits until `deadline` at the latest. For its own thread, without the lock; whoever is about
  // to sleep in Await has to look again by then.
  void Shorten(uint32_t entry, uint64_t ticket, uint64_t deadline);
  // Await without sleep.
  Outcome Look(const Outcome& before, uint64_t now);
  // Gives the place back, or leaves the list.
  void Withdraw(uint32_t entry, uint64_t ticket, uint64_t now);
  // Counts an existing connection as held, whatever the limits: kGo or kUncounted.
  Outcome Adopt(const Request& request);
  // Changes what a held entry counts for.
  void Recount(uint32_t entry, uint64_t policies, uint64_t now);
  // What came of the connect of a held entry, for paces.
  void Settle(uint32_t entry, bool server_full, uint64_t now);
  // A connect goes on without an entry.
  void CountUncounted();

  // --- for the log ---
  // The stretch at a limit that has ended since somebody last asked; false: none.
  bool NextEpisode(uint64_t now, Episode* episode);
  const Label& label(uint32_t number) const { return labels_[number - 1]; }
  const Entry& entry(uint32_t number) const { return entries_[number - 1]; }
  const Member& member(uint32_t number) const { return members_[number - 1]; }
  uint32_t entries_used() const;

  // --- for parked connects ---
  uint32_t* WakeWord(uint32_t member);  // nullptr: there is no such member

 private:
  friend class BoardLock;

  void Lay(void* memory);
  uint32_t MembersUsed() const;
  LockOwner Lock(uint64_t now);  // 0: not had
  void Unlock(LockOwner owner);
  void Rebuild();
  void Distrust();
  Entry& At(uint32_t entry) { return entries_[entry - 1]; }
  bool Valid(uint32_t entry) const { return entry - 1 < capacity_.entries; }
  uint32_t TakeEntry();
  void FreeEntry(uint32_t entry);
  void Append(uint32_t entry);
  void Unlink(uint32_t entry);
  uint32_t Next(uint32_t entry) const;
  uint32_t SortByTicket(uint32_t first, uint32_t count);
  uint32_t Merge(uint32_t left, uint32_t right, uint32_t count);
  void RebuildMembers();
  uint32_t RebuildEntries(uint32_t* waiting);
  void EndLostProbes();
  bool CountsContradict() const;
  void CountUse(uint64_t policies, int change);
  void CountWaiting(uint64_t policies, int change);
  uint64_t WithoutRoom(uint64_t policies, uint64_t now) const;
  uint64_t QueuedAt(uint64_t policies) const;
  void TakeRoom(uint32_t entry, uint64_t now);
  bool HoldBack(uint32_t policy, uint64_t now);
  // A walk along those who wait.
  struct Walk {
    uint64_t behind;                    // policies that nobody further behind may go by
    uint32_t kept[kMaxPolicies];        // places for those further ahead, who wait for others
    uint32_t blocked_by[kMaxPolicies];  // for whom places are kept, by what they wait for
  };
  uint64_t LetGo(uint64_t now, bool all = false);
  void LookAt(uint32_t entry, uint64_t now, Walk* walk);
  void Keep(uint32_t policy, uint32_t places, uint64_t now, Walk* walk);
  static bool Turn(Entry& entry, EntryState from, EntryState to);
  void GiveUp(uint32_t entry, uint64_t ticket);
  void EndProbe(uint32_t entry, uint64_t policies, uint64_t now);
  void EndEpisode(Record& record);
  // Others look at it without the lock, as a hint.
  void SetEpisodes(uint32_t episodes) {
    __atomic_store_n(&header_->episodes, episodes, __ATOMIC_RELAXED);
  }
  void Grant(uint32_t entry, uint64_t now);
  void PassOver(uint64_t now);
  void TakeBack(uint32_t entry, uint64_t now);
  bool ComeBack(Entry& record);
  void PutBack(uint32_t entry);
  void Wake(Entry& entry);
  void GiveBack(uint32_t entry, uint64_t now);
  void Fill(const Request& request, uint32_t entry, EntryState state, uint64_t deadline,
            uint32_t held_by);
  Outcome Hold(const Request& request, bool unconditional);
  Outcome Queue(const Request& request, uint64_t held);
  Outcome Refuse(const Request& request, uint32_t policy);
  Outcome LookLocked(const Outcome& before, uint64_t now);
  Outcome Lost(const Outcome& before, uint64_t now);
  void TimeOut(Outcome* outcome, uint64_t now);
  Outcome LookUnlocked(const Outcome& before, uint64_t now);
  uint64_t LookAgain(const Entry& entry, uint64_t deadline, uint64_t now) const;
  void RetireLocked(uint32_t number, int32_t changed_by, uint64_t now);
  void Change(uint32_t number, int32_t changed_by, uint64_t now);
  uint32_t FindRecord(const char* name, const char* service, uint32_t* vacant) const;
  bool Reap(uint64_t now, uint64_t interval);  // false: it is not yet time
  void ReapUnclaimed(uint64_t now);
  void Drop(uint32_t member, uint64_t now);

  BoardHeader* header_ = nullptr;
  Record* records_ = nullptr;
  Member* members_ = nullptr;
  Label* labels_ = nullptr;
  Entry* entries_ = nullptr;
  BoardCapacity capacity_ = {};
  Populate populate_ = nullptr;
  uint32_t* wake_word_ = nullptr;
  bool shared_ = false;
  std::atomic<LockOwner> process_ = 0;  // who this process is in the lock, once it has joined
  uint32_t room_ = 0;  // entries whose pages are there, as far as this process has seen to it
  std::atomic<uint64_t> avoid_until_ = 0;  // after the lock was not to be had
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_BOARD_H_
