// SPDX-License-Identifier: Apache-2.0
//
// A board (layout.h) and the operations on it. A connect is entered on a board. It gets a place at
// once, or waits in the order of arrival until it is let go. It gives its place back at the end.
//
// Invariants, whenever no thread holds the lock:
//  1. `use` of a policy is the number of entries that name it and are granted or held. `waiting` is
//     the number of entries that name it and wait, without those that are passed over.
//  2. No entry waits that could go. Each waiting entry names a policy that has no room for it
//     beside the places that are kept for entries with smaller tickets (CAPS.md, The order).
//  3. The entries of one policy are let go in the order of their tickets. An entry whose thread
//     does not take its place within kClaimNs is passed over until the thread comes back. It keeps
//     its ticket and its deadline.
//  4. The entries of a dead process are found and given back. That happens at most 20 ms after the
//     next connect that would be held back because of them, and at most 20 ms after the death while
//     any entry waits; 100 ms if the first waiting entry belongs to a dead process. If more than
//     256 processes have entries, they are checked in turn.
//
// An entry waits for a policy if it names the policy and the policy's rule says kWait. A policy
// that warns or rejects keeps no order, and does not hold back an entry that has room elsewhere.
//
// A process may be killed at any instruction. A thread that finds the holder of the lock dead takes
// the lock over and rebuilds everything from the entries. No thread waits for the lock longer than
// kLockPatienceNs. A connect that does not get the lock goes on without an entry, and
// BoardHeader::uncounted counts it. An entry that waits already stays in the list; at its deadline
// its connect goes on without an entry.
//
// Only the thread that owns an entry may change it without the lock. It may give the entry up, take
// the place after a grant, or bring the deadline forward. It changes the word and the deadline by
// compare-and-exchange, and nothing else.
//
// No heap, no exceptions. Thread-safe except for Create and Attach. Times are CLOCK_MONOTONIC in
// nanoseconds and are passed in by the caller.

#ifndef PQLEASH_SHIM_CAPS_BOARD_H_
#define PQLEASH_SHIM_CAPS_BOARD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shim/caps/board_place.h"
#include "shim/caps/layout.h"
#include "shim/caps/owner_lock.h"

namespace pqleash::caps {

// The longest wait for the lock, in nanoseconds.
inline constexpr uint64_t kLockPatienceNs = 100'000'000;
// How often the dead are looked for while an entry waits, in nanoseconds.
inline constexpr uint64_t kReapIntervalNs = 20'000'000;
// A granted place that its thread has not taken within this time goes to the next entry.
inline constexpr uint64_t kClaimNs = 250'000'000;
// An entry that still waits this long after its deadline is given back: its thread left by longjmp.
inline constexpr uint64_t kUnclaimedNs = 10'000'000'000;

// A stretch at a limit is over when no connect was held back for this long.
inline constexpr uint64_t kQuietNs = 1'000'000'000;

inline constexpr uint32_t kNoPolicyNumber = UINT32_MAX;
// Returned in place of a number: try again later.
inline constexpr uint32_t kLockBusy = UINT32_MAX - 1;

// How many records of each kind a board has.
struct BoardCapacity {
  uint32_t members;
  uint32_t labels;  // a power of two
  uint32_t entries;
};
// The capacity of the board that all processes of a user share.
inline constexpr BoardCapacity kSharedCapacity = {8'192, 1'024, 65'536};

// The identity of a process, by which other processes tell whether it is alive.
struct MemberIdentity {
  int32_t pid;
  uint64_t start_ticks;
  uint64_t stack_start;
  const char* service;
  const char* ledger;  // file name in the directory of the board; "": none
};

// A connect that asks for its places.
struct Request {
  uint32_t member;
  uint64_t policies;
  uint32_t label;
  uint32_t slot;
  uint64_t now;
  uint64_t deadline;   // the wait ends then at the latest; 0: only the policies bound it
  bool may_wait;       // false: the connect is refused where it would have to wait
  bool parked;         // no thread will sleep in Await
  uint64_t since = 0;  // for Adopt: when the connection was made; 0: now
};

enum class Answer : uint32_t {
  kGo,         // the connect may go; `entry` holds its places
  kWait,       // the connect waits; `entry` is in the list
  kRefused,    // `policy` has no room; there is no entry
  kTimedOut,   // like kRefused, but after a wait
  kUncounted,  // the connect may go without an entry: none was free, or the lock was not available
};

// The answer to a Request. The caller keeps it and passes it to Await or Look while it says kWait.
struct Outcome {
  Answer answer = Answer::kUncounted;
  uint32_t entry = kNoEntry;
  uint32_t policy = kNoPolicyNumber;  // the first policy without room: it warned, holds back or
                                      // refuses; kNoPolicyNumber: none
  bool entered = false;               // a stretch at the limit of `policy` began with this connect
  bool server_full = false;           // for a pace: it holds back because the server is full
  uint64_t waited_ns = 0;             // since the arrival of the connect
  uint64_t look_again_ns = 0;         // for kWait: call Look again then, even if not woken
  uint64_t ticket = 0;      // for kGo, kWait: distinguishes this use of `entry` from later ones
  uint64_t arrived_ns = 0;  // for kWait: these two stay as they are, whatever the board says later
  uint64_t deadline_ns = 0;
  uint32_t word = 0;      // for kWait: the futex value that Await sleeps on
  uint64_t ahead_ns = 0;  // for kWait: WaitClock::ahead of the sleeps so far
};

// The sums of one stretch at the limit of a policy, when it is over. Times are in nanoseconds.
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
  // Returns the bytes of memory that a board of this capacity needs.
  static uint64_t Size(const BoardCapacity& capacity);

  // Makes a board in zeroed memory of Size(capacity) bytes, which must outlive this object.
  // `populate` makes the pages of a range before they are stored into, and returns false if there
  // is no room; nullptr: the pages exist. Returns false if there is no room.
  using Populate = bool (*)(void* begin, size_t size);
  bool Create(void* memory, const BoardCapacity& capacity, bool shared, const BoardPlace& place,
              Populate populate);
  // Uses a board that another process made. Returns false if the memory is no board, or a board of
  // another version or size.
  bool Attach(void* memory, uint64_t size, Populate populate);
  bool attached() const { return header_ != nullptr; }
  // Makes parked connects wake their serving thread through `word` instead of the member's word.
  // For the process's own board; no effect on the shared one.
  void UseWakeWord(uint32_t* word) { wake_word_ = word; }

  const BoardHeader& header() const { return *header_; }
  // The capacity as it was when the board was made or attached. The header may have been damaged
  // since.
  const BoardCapacity& capacity() const { return capacity_; }
  // Changes with every change of a policy. Costs one load; takes no lock.
  uint32_t generation() const;
  // Returns the record, which other processes may change at any time. REQUIRES: `number` is below
  // kMaxPolicies.
  const Record& record(uint32_t number) const { return records_[number]; }
  uint32_t use(uint32_t number) const;
  // Records from this number on were never used.
  uint32_t policies_used() const;

  // --- policies ---
  // Enters a policy, or finds the record with the same name and service. The policy becomes the
  // record's filed policy if `stamp` is newer than the record's. Returns the record's number,
  // kNoPolicyNumber if there is no room, or kLockBusy if the lock was not available. Sets `differs`
  // if a file that is as new or newer defines the policy differently and stays in force.
  // `changed_by` is the pid of an operator's command; 0: none.
  uint32_t Install(const Policy& policy, const char* service, Origin origin, uint64_t source,
                   uint64_t stamp, uint64_t now, bool* differs, int32_t changed_by = 0);
  // Copies record `number` of another board to the same place on this one. For the process's own
  // board.
  void Mirror(uint32_t number, const Record& record, uint64_t now);
  // Takes a policy off the board. Entries that wait only for it are let go.
  void Retire(uint32_t number, uint64_t now, int32_t changed_by = 0);
  // Takes a policy off the board because file `source`, in its state `stamp`, no longer has it.
  // Does nothing if the record now belongs to another policy, or if a file that is as new has the
  // policy.
  void RetireFiled(uint32_t number, const char* name, uint64_t source, uint64_t stamp,
                   uint64_t now);
  // Notes how much of a policy is in use on boards of other versions.
  void CountElsewhere(uint32_t number, uint32_t use, uint64_t now);
  // Puts `rule` in force on behalf of process `changed_by`. Returns false if the lock was not
  // available.
  bool Override(uint32_t number, const Rule& rule, int32_t changed_by, uint64_t now);
  // Puts the filed rule in force again. Returns false as Override does.
  bool Reset(uint32_t number, int32_t changed_by, uint64_t now);
  // Returns true for the first caller after an operator's change. That caller logs it.
  bool Announce(uint32_t number);

  // --- members and labels ---
  // Enters the process as a member. Returns its number, or kNoEntry if there is no room or no lock.
  uint32_t Join(const MemberIdentity& identity, uint64_t now);  // kNoEntry: no room
  // Gives back everything that the member has, and frees its record.
  void Leave(uint32_t member, uint64_t now);
  // Returns the number of the label for a call site, or kNoEntry if it has none yet.
  uint32_t LabelFor(uint64_t call_site) const;  // kNoEntry: not there yet
  // Adds a label. Returns its number, or kNoEntry if there is no room or no lock.
  uint32_t AddLabel(uint64_t call_site, const char* text, uint64_t now);

  // --- connects ---
  // Asks for the places of a connect. Takes all of them, queues the connect, or refuses it.
  Outcome Enter(const Request& request);
  // Sleeps until `before.entry` is let go, until its deadline, or until look_again_ns. Answers like
  // Enter, possibly with kWait; the caller then does its other work and calls again. A cancellation
  // point: if the thread is cancelled, its clean-up handler must withdraw the entry.
  Outcome Await(const Outcome& before);
  // Brings the deadline of a waiting entry forward to `deadline`. For the thread that owns the
  // entry; takes no lock. A thread that is about to sleep in Await must look again by then.
  void Shorten(uint32_t entry, uint64_t ticket, uint64_t deadline);
  // Does what Await does, without sleeping.
  Outcome Look(const Outcome& before, uint64_t now);
  // Gives the places of an entry back, or takes it out of the list. Does nothing if the entry has
  // been reused, as `ticket` tells.
  void Withdraw(uint32_t entry, uint64_t ticket, uint64_t now);
  // Counts an existing connection as held, whatever the limits. Answers kGo or kUncounted.
  Outcome Adopt(const Request& request);
  // Changes the policies that a held entry counts for.
  void Recount(uint32_t entry, uint64_t policies, uint64_t now);
  // Reports the result of the connect to the paces of a held entry.
  void Settle(uint32_t entry, bool server_full, uint64_t now);
  // Counts a connect that goes on without an entry.
  void CountUncounted();

  // --- for the log ---
  // Returns the stretch at a limit that has ended since the last call, or false if there is none.
  bool NextEpisode(uint64_t now, Episode* episode);
  const Label& label(uint32_t number) const { return labels_[number - 1]; }
  const Entry& entry(uint32_t number) const { return entries_[number - 1]; }
  const Member& member(uint32_t number) const { return members_[number - 1]; }
  uint32_t entries_used() const;

  // --- for parked connects ---
  uint32_t* WakeWord(uint32_t member);  // nullptr if there is no such member

 private:
  friend class BoardLock;

  void Lay(void* memory);
  uint32_t MembersUsed() const;
  LockOwner Lock(uint64_t now);  // returns 0 if the lock was not available
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
  // The state of one walk along the list of waiting entries.
  struct Walk {
    uint64_t behind;              // policies at which no entry further behind may be let go
    uint32_t kept[kMaxPolicies];  // places kept for entries further ahead that wait elsewhere
    // Number of entries for which places are kept, by the policy they wait for.
    uint32_t blocked_by[kMaxPolicies];
  };
  uint64_t LetGo(uint64_t now, bool all = false);
  void LookAt(uint32_t entry, uint64_t now, Walk* walk);
  void Keep(uint32_t policy, uint32_t places, uint64_t now, Walk* walk);
  static bool Turn(Entry& entry, EntryState from, EntryState to);
  void GiveUp(uint32_t entry, uint64_t ticket);
  void EndProbe(uint32_t entry, uint64_t policies, uint64_t now);
  void EndEpisode(Record& record);
  // Other threads read this without the lock, as a hint.
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
  bool Reap(uint64_t now, uint64_t interval);  // returns false if it is not time yet
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
  // The owner in the lock for this process, once it has joined.
  std::atomic<LockOwner> process_ = 0;
  uint32_t room_ = 0;  // entries whose pages this process knows to exist
  // No waiting for the lock until then, after it was not available.
  std::atomic<uint64_t> avoid_until_ = 0;
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_BOARD_H_
