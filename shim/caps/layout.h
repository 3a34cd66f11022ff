// SPDX-License-Identifier: Apache-2.0
//
// The byte layout of a board: the memory where connects that a policy speaks of are entered, wait
// and are let go. There are two boards in a process:
//
//  - the shared one, a file in the directory of the ledgers (board_place.h), mapped by all
//    processes of the user in one place and by `pqleash caps`. It holds every policy that is in
//    force and the entries of scope service and user;
//  - its own, the section kBoard of its ledger, with the entries of scope process.
//
// A policy has the same number on both. Writers hold the board's lock. Readers (`pqleash`) take the
// bytes as they find them: everything in here is hostile input for a reader, and indices are
// checked by writers as well, since other processes write too.
//
// The entries and the filed policies are the truth; use, waiting, the list of those who wait and
// the free list follow from them, and are made anew from them when a process died inside the lock.
//
// Any change of size, offset or meaning raises kBoardVersion, which is part of the file's name:
// libraries of different versions do not share a board. BoardCore alone stays as it is for ever, so
// that each version finds the boards of the others and counts what is in use there.
//
// No pointer is stored, and no index is used unchecked. A value is loaded once, then checked, then
// used: it may change in between.

#ifndef PQLEASH_SHIM_CAPS_LAYOUT_H_
#define PQLEASH_SHIM_CAPS_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "shim/caps/policy.h"
#include "shim/ledger/layout.h"

namespace pqleash::caps {

inline constexpr char kBoardMagic[8] = {'P', 'Q', 'L', 'B', 'O', 'A', 'R', 'D'};
inline constexpr uint32_t kBoardVersion = 2;

inline constexpr uint32_t kNoEntry = 0;  // entries, members and labels are numbered from 1
inline constexpr uint32_t kMaxLabel = 119;

// -------------------------------------------------------------------------------------------------
// A policy in force, and what has happened at it.

enum Origin : uint32_t {
  kFromNobody = 0,    // the record is free
  kFromConfig = 1,    // by the file or the variables of a process
  kFromOperator = 2,  // by `pqleash caps add`
};

struct Record {
  uint32_t origin;      // Origin
  uint32_t overridden;  // 1: `rule` is `pqleash caps set`'s; 0: it is the filed one's
  Policy filed;         // as configured
  Rule rule;            // in force
  char service[64];     // whose processes it holds for; empty: all of the user's
  uint64_t source;      // hash of the path of the file; 0: variables or an operator
  uint64_t stamp;       // st_mtim of the file in ns: the newest wins
  // The latest change by an operator, for the log of whoever notices it first.
  uint32_t changed_by;  // pid
  uint32_t announced;   // 1: somebody has logged it
  Rule before;

  uint32_t use;      // entries that are granted or held
  uint32_t peak;     // largest `use` so far
  uint32_t waiting;  // entries that wait, but for those that are passed over
  // In use on other boards of the same name: of another version of the library, say. As of
  // elsewhere_at_ns, and not counted for longer than kElsewhereNs.
  uint32_t elsewhere;
  uint64_t elsewhere_at_ns;
  uint64_t admitted;         // at once or after a wait
  uint64_t warned;           // of these, beyond the limit
  uint64_t waited;           // of these, after a wait
  uint64_t refused;          // at once: reject, or too many waiting
  uint64_t timed_out;        // refused after a wait
  uint64_t longest_wait_ns;  // of all that waited
  ledger::Histogram wait;    // of those that waited, admitted or not

  // The stretch at the limit that is under way or was last: from the first connect that was held
  // back until there is room and nobody waits. CLOCK_MONOTONIC.
  uint64_t entered_ns;    // 0: none is under way
  uint64_t held_back_ns;  // the latest that was held back
  uint64_t episode_waited;
  uint64_t episode_refused;
  uint64_t episode_warned;
  uint64_t episode_longest_ns;

  // kPace. Generic cell rate algorithm: the moment at which the bucket is full again.
  uint64_t full_at_ns;
  uint64_t server_full_since_ns;  // 0: the server takes connections
  uint64_t probe_at_ns;           // when the next connect may try
  uint32_t probes;                // that failed so far
  uint32_t prober;                // entry that is trying now; kNoEntry: none
  uint64_t server_full_count;     // refusals by the server because it was full
  uint64_t last_ticket;           // of the latest that waited for it alone and was let go
};
static_assert(sizeof(Record) == 968);

// -------------------------------------------------------------------------------------------------
// A process that has entries. Its own board has one member, number 1.

struct Member {
  int32_t pid;           // 0: the record is free
  uint32_t entries;      // how many of them are its
  uint64_t start_ticks;  // field 22 of /proc/self/stat; 0: not known
  uint64_t stack_start;  // field 28: another after execve(2); 0: not known
  uint64_t verified_ns;  // CLOCK_MONOTONIC when start_ticks and stack_start were last compared
  uint32_t wake;         // futex word of the thread that serves parked connects
  uint32_t next_free;    // member; 0: none
  char service[64];      // its name
  char ledger[48];       // name of its ledger in the directory of the board; empty: none
};
static_assert(sizeof(Member) == 152);

// -------------------------------------------------------------------------------------------------
// Code that opens connections, in words, for refusals and for the dump of holders.

struct Label {
  uint64_t call_site;  // id; 0: the record is free
  char text[kMaxLabel + 1];
};
static_assert(sizeof(Label) == 128);

// -------------------------------------------------------------------------------------------------
// A connect that waits, or a connection that is held.

enum EntryState : uint32_t {
  kEntryFree = 0,
  kEntryWaiting = 1,
  kEntryGranted = 2,  // let go; its thread has not noticed yet
  kEntryHeld = 3,
  kEntryGone = 4,  // given back by a process that could not get the lock: to be freed by the next
};

enum EntryFlags : uint32_t {
  kEntryParked = 1,  // nobody sleeps on `word`: the member's `wake` is used
  kEntryHead = 2,    // the first to wait for one of its policies: looks after time and the dead
  kEntryPassed = 4,  // was let go and did not come: waits in its place, but holds up nobody
};

struct Entry {
  uint32_t word;  // the futex of whoever waits in place: EntryState in the lower 8 bits, above them
                  // how often it was woken
  uint32_t member;
  uint64_t policies;    // bit i: counts for record i
  uint64_t ticket;      // order of arrival, board-wide; 0 while free
  uint64_t arrived_ns;  // CLOCK_MONOTONIC
  uint64_t since_ns;    // the same, then of the grant
  uint64_t deadline_ns;
  uint32_t label;  // kNoEntry: not known
  uint32_t slot;   // of the connection, in the ledger of its process
  uint32_t next;   // in the list of those who wait, or of the free; kNoEntry: the last
  uint32_t previous;
  uint32_t flags;    // EntryFlags
  uint32_t held_by;  // number of the policy that had no room for it
};
static_assert(sizeof(Entry) == 72);
constexpr uint32_t StateOf(uint32_t word) { return word & 0xff; }

// -------------------------------------------------------------------------------------------------

// The same in all versions from 2 on. Where a record of a policy has what another version counts:
// offsets are of the beginning of a record, texts are NUL-terminated unless they fill their field.
struct CoreShape {
  uint64_t records_offset;
  uint32_t record_count;
  uint32_t record_size;
  uint32_t origin_at;  // uint32_t, Origin
  uint32_t name_at;
  uint32_t name_size;
  uint32_t service_at;
  uint32_t service_size;
  uint32_t scope_at;  // uint32_t, Scope
  uint32_t use_at;    // uint32_t
  uint32_t member_count;
  uint64_t members_offset;
  uint32_t member_size;
  uint32_t pid_at;  // int32_t; 0: the record is free
};

struct BoardCore {
  char magic[8];  // written last
  uint32_t version;
  uint32_t core_size;  // bytes of this struct
  uint64_t size;       // bytes of the whole
  // Whose processes can be told apart there, and whose moments compared. 0: not known.
  uint64_t pid_namespace;   // inode of /proc/self/ns/pid
  uint64_t time_namespace;  // inode of /proc/self/ns/time
  uint64_t boot;            // hash of /proc/sys/kernel/random/boot_id
  uint32_t shared;          // 1: the file of all processes; 0: a process's own
  uint32_t reserved;
  CoreShape shape;
  unsigned char unused[72];
};
static_assert(sizeof(CoreShape) == 64);
static_assert(sizeof(BoardCore) == 192);

struct BoardHeader {
  BoardCore core;
  uint64_t labels_offset;
  uint64_t entries_offset;
  uint32_t label_capacity;  // a power of two
  uint32_t entry_capacity;
  uint32_t generation;  // changes with every change of a policy; read without the lock
  uint32_t unused;
  alignas(64) uint64_t lock;  // owner_lock.h
  alignas(64) uint64_t next_ticket;
  uint32_t first_waiting;  // entry that has waited longest; kNoEntry: none
  uint32_t last_waiting;
  uint32_t first_free_entry;
  uint32_t entries_used;  // highest number that was ever in use
  uint32_t first_free_member;
  uint32_t members_used;
  uint32_t granted;    // entries in state kEntryGranted, more or less
  uint32_t gone;       // entries in state kEntryGone, at least
  uint64_t reaped_ns;  // when dead members were last looked for
  uint64_t uncounted;  // connects admitted without an entry: no room, or the lock was not to be had
  uint64_t repairs;    // times that a dead process left the lock
  uint64_t passed_over;    // places that were not taken in time
  uint32_t reap_cursor;    // member that is looked at next
  uint32_t episodes;       // records with a stretch at the limit under way
  uint32_t policies_used;  // records from that number on were never used
  uint32_t reserved;
  uint64_t busy_since_ns;  // CLOCK_MONOTONIC since when the lock is not to be had; 0: it is
};
static_assert(offsetof(BoardHeader, lock) == 256);
static_assert(sizeof(BoardHeader) <= 4096);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_LAYOUT_H_
