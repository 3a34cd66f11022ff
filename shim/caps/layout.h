// SPDX-License-Identifier: Apache-2.0
//
// The byte layout of a board: the memory in which connects that a policy applies to are entered,
// wait and are let go. A process has two boards:
//
//  - The shared board is a file in the directory of the ledgers (board_place.h). All processes of
//    the user in one place map it, and so does `pqleash caps`. It has every policy that is in
//    force, and the entries of scope service and user.
//  - The process's own board is the section kBoard of its ledger. It has the entries of scope
//    process.
//
// A policy has the same number on both boards. Writers hold the board's lock; readers (`pqleash`)
// take no lock. All content is hostile input for a reader. Writers check indices as well, because
// other processes write to the same memory.
//
// The entries and the filed policies are the source of truth. `use`, `waiting`, the list of waiting
// entries and the free list follow from them, and are rebuilt if a process dies inside the lock.
//
// Every change of a size, an offset or a meaning raises kBoardVersion. The version is part of the
// file's name, so libraries of different versions never share a board. Only BoardCore stays the
// same for ever: with it each version finds the boards of the others and counts what is in use
// there.
//
// The layout contains no pointer. No index is used unchecked. A value is loaded once, then checked,
// then used, because it may change in between.

#ifndef PQLEASH_SHIM_CAPS_LAYOUT_H_
#define PQLEASH_SHIM_CAPS_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "shim/caps/policy.h"
#include "shim/ledger/layout.h"

namespace pqleash::caps {

inline constexpr char kBoardMagic[8] = {'P', 'Q', 'L', 'B', 'O', 'A', 'R', 'D'};
inline constexpr uint32_t kBoardVersion = 2;

// The number of no entry, no member and no label: all are numbered from 1.
inline constexpr uint32_t kNoEntry = 0;
// Longest text of a label, in bytes without its NUL.
inline constexpr uint32_t kMaxLabel = 119;

// -------------------------------------------------------------------------------------------------
// A policy in force, and what has happened at it.

enum Origin : uint32_t {
  kFromNobody = 0,    // the record is free
  kFromConfig = 1,    // from the file or the variables of a process
  kFromOperator = 2,  // by `pqleash caps add`
};

// All times are in nanoseconds.
struct Record {
  uint32_t origin;      // Origin
  uint32_t overridden;  // 1: `rule` was set by `pqleash caps set`; 0: it is the filed rule
  Policy filed;         // the policy as configured
  Rule rule;            // the rule in force
  char service[64];     // the service whose processes it applies to; empty: all of the user's
  uint64_t source;      // hash of the path of the file; 0: from variables or an operator
  uint64_t stamp;       // st_mtim of the file; the newest file decides
  // The latest change by an operator. The process that notices it first logs it.
  uint32_t changed_by;  // pid
  uint32_t announced;   // 1: a process has logged it
  Rule before;

  uint32_t use;      // number of entries that are granted or held
  uint32_t peak;     // largest `use` so far
  uint32_t waiting;  // number of waiting entries, without those that are passed over
  // Connections in use on boards of other versions of the library that have the same name. Counted
  // at elsewhere_at_ns, and ignored after kElsewhereNs.
  uint32_t elsewhere;
  uint64_t elsewhere_at_ns;
  uint64_t admitted;         // connects let go, at once or after a wait
  uint64_t warned;           // those of them beyond the limit
  uint64_t waited;           // those of them after a wait
  uint64_t refused;          // connects refused at once: by kReject, or too many waiting
  uint64_t timed_out;        // connects refused after a wait
  uint64_t longest_wait_ns;  // of all connects that waited
  ledger::Histogram wait;    // wait times of all connects that waited, let go or not

  // The current stretch at the limit, or the last one. It begins with the first connect that is
  // held back, and ends when there is room and no entry waits. CLOCK_MONOTONIC.
  uint64_t entered_ns;    // its beginning; 0: there is no current stretch
  uint64_t held_back_ns;  // when the latest connect was held back
  uint64_t episode_waited;
  uint64_t episode_refused;
  uint64_t episode_warned;
  uint64_t episode_longest_ns;

  // For kPace. Generic cell rate algorithm: the time at which the bucket is full again.
  uint64_t full_at_ns;
  uint64_t server_full_since_ns;  // since when the server has been full; 0: it is not
  uint64_t probe_at_ns;           // when the next connect may probe the server
  uint32_t probes;                // number of probes that have failed so far
  uint32_t prober;                // the entry that is probing now; kNoEntry: none
  uint64_t server_full_count;  // number of connects that the server has refused because it was full
  uint64_t last_ticket;  // of the latest entry that waited for this policy only and was let go
};
static_assert(sizeof(Record) == 968);

// -------------------------------------------------------------------------------------------------
// A process that has entries. A process's own board has one member, number 1.

struct Member {
  int32_t pid;           // 0: the record is free
  uint32_t entries;      // number of its entries
  uint64_t start_ticks;  // field 22 of /proc/self/stat; 0: not known
  uint64_t stack_start;  // field 28; changes with execve(2); 0: not known
  uint64_t verified_ns;  // CLOCK_MONOTONIC when start_ticks and stack_start were last compared
  uint32_t wake;         // futex word of the thread that serves its parked connects
  uint32_t next_free;    // number of the next free member; 0: none
  char service[64];      // name of its service
  char ledger[48];       // file name of its ledger in the directory of the board; empty: none
};
static_assert(sizeof(Member) == 152);

// -------------------------------------------------------------------------------------------------
// A call site in words, for refusals and for the list of holders.

struct Label {
  uint64_t call_site;  // id; 0: the record is free
  char text[kMaxLabel + 1];
};
static_assert(sizeof(Label) == 128);

// -------------------------------------------------------------------------------------------------
// A connect that waits, or a connection that holds its places.

enum EntryState : uint32_t {
  kEntryFree = 0,
  kEntryWaiting = 1,
  kEntryGranted = 2,  // let go, but its thread has not noticed yet
  kEntryHeld = 3,
  // Given up by a process that could not get the lock; the next holder of the lock frees it.
  kEntryGone = 4,
};

enum EntryFlags : uint32_t {
  kEntryParked = 1,  // no thread sleeps on `word`; the member's `wake` is used
  kEntryHead = 2,    // the first to wait for one of its policies; watches the time and the dead
  // Was let go and not claimed in time: waits in its position, and holds up no other entry.
  kEntryPassed = 4,
};

struct Entry {
  uint32_t word;  // futex of the waiting thread: EntryState in the lower 8 bits, above them
                  // the number of times it was woken
  uint32_t member;
  uint64_t policies;    // bit i: the entry counts for record i
  uint64_t ticket;      // order of arrival on this board; 0: the entry is free
  uint64_t arrived_ns;  // CLOCK_MONOTONIC
  uint64_t since_ns;    // the arrival; after a grant the time of the grant
  uint64_t deadline_ns;
  uint32_t label;  // number of the label; kNoEntry: not known
  uint32_t slot;   // slot of the connection in its process's ledger
  uint32_t next;   // of the list of waiting or of free entries; kNoEntry: the last
  uint32_t previous;
  uint32_t flags;    // EntryFlags
  uint32_t held_by;  // number of the policy that had no room for it
};
static_assert(sizeof(Entry) == 72);
constexpr uint32_t StateOf(uint32_t word) { return word & 0xff; }

// -------------------------------------------------------------------------------------------------

// Describes where a record of a policy has what other versions count. The same in all versions from
// 2 on. An offset `*_at` is relative to the beginning of a record. A text is NUL-terminated unless
// it fills its field.
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
  char magic[8];  // written last, when the rest is complete
  uint32_t version;
  uint32_t core_size;  // size of this struct in bytes
  uint64_t size;       // size of the whole board in bytes
  // The place of the board (board_place.h). 0: not known.
  uint64_t pid_namespace;   // inode of /proc/self/ns/pid
  uint64_t time_namespace;  // inode of /proc/self/ns/time
  uint64_t boot;            // hash of /proc/sys/kernel/random/boot_id
  uint32_t shared;          // 1: the file of all processes; 0: a process's own board
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
  uint32_t generation;  // raised by every change of a policy; read without the lock
  uint32_t unused;
  alignas(64) uint64_t lock;  // owner_lock.h
  alignas(64) uint64_t next_ticket;
  uint32_t first_waiting;  // the entry that has waited longest; kNoEntry: none waits
  uint32_t last_waiting;
  uint32_t first_free_entry;
  uint32_t entries_used;  // the highest number that was ever in use
  uint32_t first_free_member;
  uint32_t members_used;
  uint32_t granted;        // number of entries in state kEntryGranted, approximately
  uint32_t gone;           // number of entries in state kEntryGone, at least
  uint64_t reaped_ns;      // when dead members were last looked for
  uint64_t uncounted;      // connects that went on without an entry: no room, or no lock
  uint64_t repairs;        // number of times that a dead process was found holding the lock
  uint64_t passed_over;    // number of grants that were not claimed in time
  uint32_t reap_cursor;    // the member that was checked last
  uint32_t episodes;       // number of records with a current stretch at the limit
  uint32_t policies_used;  // records from this number on were never used
  uint32_t reserved;
  uint64_t busy_since_ns;  // CLOCK_MONOTONIC since when the lock is not available; 0: it is
};
static_assert(offsetof(BoardHeader, lock) == 256);
static_assert(sizeof(BoardHeader) <= 4096);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_LAYOUT_H_
