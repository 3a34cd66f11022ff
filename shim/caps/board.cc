// SPDX-License-Identifier: Apache-2.0
//
// The memory, the lock, the members and the labels of a board. board_policies.cc has the policies,
// board_connects.cc the connects, and board_episodes.cc the stretches at a limit.

#include "shim/caps/board.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "shim/caps/board_lock.h"
#include "shim/caps/policy_set.h"
#include "shim/caps/shared_value.h"
#include "shim/support/hash.h"
#include "shim/support/host_state.h"
#include "shim/support/liveness.h"
#include "shim/support/text.h"

namespace pqleash::caps {

namespace {

constexpr uint64_t kVerifyIntervalNs = 1'000'000'000;
constexpr uint64_t kAvoidNs = 1'000'000'000;
constexpr uint32_t kMaxReapedAtOnce = 256;
// The bound while connects at a full cap ask every millisecond.
constexpr uint32_t kMaxReapedOften = 64;
constexpr uint32_t kMaxVerifiedAtOnce = 16;
constexpr uint32_t kEntriesAtOnce = 64;  // entries whose pages are made at a time

constexpr uint64_t RoundUp(uint64_t size) { return (size + 4095) / 4096 * 4096; }

struct Offsets {
  uint64_t records, members, labels, entries, size;
};

Offsets OffsetsOf(const BoardCapacity& capacity) {
  Offsets offsets = {};
  offsets.records = 4096;
  offsets.members = RoundUp(offsets.records + kMaxPolicies * sizeof(Record));
  offsets.labels = RoundUp(offsets.members + uint64_t{capacity.members} * sizeof(Member));
  offsets.entries = RoundUp(offsets.labels + uint64_t{capacity.labels} * sizeof(Label));
  offsets.size = RoundUp(offsets.entries + uint64_t{capacity.entries} * sizeof(Entry));
  return offsets;
}

constexpr CoreShape ShapeOf(const BoardCapacity& capacity, const Offsets& offsets) {
  return {.records_offset = offsets.records,
          .record_count = kMaxPolicies,
          .record_size = sizeof(Record),
          .origin_at = offsetof(Record, origin),
          .name_at = offsetof(Record, filed) + offsetof(Policy, name),
          .name_size = sizeof(Policy::name),
          .service_at = offsetof(Record, service),
          .service_size = sizeof(Record::service),
          .scope_at = offsetof(Record, filed) + offsetof(Policy, scope),
          .use_at = offsetof(Record, use),
          .member_count = capacity.members,
          .members_offset = offsets.members,
          .member_size = sizeof(Member),
          .pid_at = offsetof(Member, pid)};
}

}  // namespace

uint64_t Board::Size(const BoardCapacity& capacity) { return OffsetsOf(capacity).size; }

void Board::Lay(void* memory) {
  auto* base = static_cast<char*>(memory);
  const Offsets offsets = OffsetsOf(capacity_);
  header_ = reinterpret_cast<BoardHeader*>(base);
  records_ = reinterpret_cast<Record*>(base + offsets.records);
  members_ = reinterpret_cast<Member*>(base + offsets.members);
  labels_ = reinterpret_cast<Label*>(base + offsets.labels);
  entries_ = reinterpret_cast<Entry*>(base + offsets.entries);
}

bool Board::Create(void* memory, const BoardCapacity& capacity, bool shared,
                   const BoardPlace& place, Populate populate) {
  capacity_ = capacity;
  populate_ = populate;
  shared_ = shared;
  const Offsets offsets = OffsetsOf(capacity);
  if (populate != nullptr && !populate(memory, offsets.members)) return false;
  // Labels are read without the lock. On a full tmpfs even reading a page that does not exist
  // raises SIGBUS, so their pages are made now.
  if (populate != nullptr &&
      !populate(static_cast<char*>(memory) + offsets.labels, capacity.labels * sizeof(Label)))
    return false;
  Lay(memory);
  BoardCore& core = header_->core;
  core.version = kBoardVersion;
  core.core_size = sizeof(BoardCore);
  core.size = offsets.size;
  core.pid_namespace = place.pid_namespace;
  core.time_namespace = place.time_namespace;
  core.boot = place.boot;
  core.shared = shared ? 1 : 0;
  core.shape = ShapeOf(capacity, offsets);
  header_->labels_offset = offsets.labels;
  header_->entries_offset = offsets.entries;
  header_->label_capacity = capacity.labels;
  header_->entry_capacity = capacity.entries;
  header_->next_ticket = 1;
  memcpy(core.magic, kBoardMagic, sizeof(kBoardMagic));
  return true;
}

bool Board::Attach(void* memory, uint64_t size, Populate populate) {
  const auto* header = static_cast<const BoardHeader*>(memory);
  if (size < 4096 || memcmp(header->core.magic, kBoardMagic, sizeof(kBoardMagic)) != 0)
    return false;
  const BoardCapacity capacity = {Load(header->core.shape.member_count),
                                  Load(header->label_capacity), Load(header->entry_capacity)};
  const bool fits = capacity.members <= 1u << 20 && capacity.labels <= 1u << 20 &&
                    capacity.entries <= 1u << 24 && (capacity.labels & (capacity.labels - 1)) == 0;
  if (header->core.version != kBoardVersion || header->core.shared != 1 || !fits ||
      Size(capacity) > size)
    return false;
  capacity_ = capacity;
  populate_ = populate;
  shared_ = true;
  Lay(memory);
  return true;
}

// -------------------------------------------------------------------------------------------------
// Lock.

LockOwner Board::Lock(uint64_t now) {
  const LockOwner owner = ThisThread(process_.load(std::memory_order_relaxed));
  const uint64_t avoid = avoid_until_.load(std::memory_order_relaxed);
  const uint64_t patience = now < avoid ? 0 : kLockPatienceNs;
  const Taken taken = TakeLock(&header_->lock, owner, patience);
  if (taken == Taken::kBusy) {
    // The holder is stopped, for example by a debugger. Other threads should not each wait to find
    // that out.
    if (patience == 0) return 0;
    uint64_t never = 0;
    __atomic_compare_exchange_n(&header_->busy_since_ns, &never, now, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
    avoid_until_.store(now + kLockPatienceNs + kAvoidNs, std::memory_order_relaxed);
    return 0;
  }
  if (avoid != 0) avoid_until_.store(0, std::memory_order_relaxed);
  if (header_->busy_since_ns != 0)
    __atomic_store_n(&header_->busy_since_ns, uint64_t{0}, __ATOMIC_RELAXED);
  if (taken == Taken::kFromDead) {
    ++header_->repairs;
    // The holder may have died while it changed a policy.
    __atomic_fetch_add(&header_->generation, 1u, __ATOMIC_RELEASE);
  }
  if (taken == Taken::kFromDead || __atomic_load_n(&header_->gone, __ATOMIC_ACQUIRE) != 0) {
    Rebuild();
    LetGo(now, true);
  }
  return owner;
}

void Board::Unlock(LockOwner owner) { ReleaseLock(&header_->lock, owner); }

// Notes that the content of the board contradicts itself. The next thread that gets the lock
// rebuilds the board.
void Board::Distrust() { __atomic_fetch_add(&header_->gone, 1u, __ATOMIC_RELAXED); }

// Rebuilds everything that follows from the entries. The caller must call LetGo afterwards.
void Board::Rebuild() {
  // Cleared before the entries are read. A thread that gives an entry up meanwhile raises it again.
  __atomic_store_n(&header_->gone, 0u, __ATOMIC_SEQ_CST);
  uint32_t episodes = 0;
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    __atomic_store_n(&records_[i].use, 0u, __ATOMIC_RELAXED);
    records_[i].waiting = 0;
    if (records_[i].entered_ns != 0) ++episodes;
  }
  SetEpisodes(episodes);
  RebuildMembers();
  uint32_t waiting = 0;
  const uint32_t first = RebuildEntries(&waiting);
  header_->first_waiting = kNoEntry;
  header_->last_waiting = kNoEntry;
  EndLostProbes();
  uint32_t entry = SortByTicket(first, waiting);
  for (uint32_t i = 0; i < waiting && entry != kNoEntry; ++i) {
    const uint32_t next = Next(entry);
    Append(entry);
    entry = next;
  }
}

void Board::RebuildMembers() {
  header_->first_free_member = 0;
  for (uint32_t i = MembersUsed(); i > 0; --i) {
    members_[i - 1].entries = 0;
    if (members_[i - 1].pid != 0) continue;
    members_[i - 1].next_free = Load(header_->first_free_member);
    header_->first_free_member = i;
  }
}

// Frees the entries that belong to no member and counts the others. Returns the first waiting entry
// of a list in no particular order, and sets `waiting` to its length.
uint32_t Board::RebuildEntries(uint32_t* waiting) {
  header_->first_free_entry = kNoEntry;
  const uint32_t members_used = MembersUsed();
  uint32_t first = kNoEntry;
  uint32_t granted = 0;
  for (uint32_t i = entries_used(); i > 0; --i) {
    Entry& entry = At(i);
    const uint32_t state = StateOf(__atomic_load_n(&entry.word, __ATOMIC_ACQUIRE));
    const uint32_t member = Load(entry.member);
    const bool lives = state == kEntryWaiting || state == kEntryGranted || state == kEntryHeld;
    if (!lives || member - 1 >= members_used || members_[member - 1].pid == 0) {
      FreeEntry(i);
      continue;
    }
    ++members_[member - 1].entries;
    if (state != kEntryWaiting) {
      CountUse(entry.policies, 1);
      if (state != kEntryGranted) continue;
      ++granted;
      Wake(entry);  // the process that granted it may have died before it woke the thread
      continue;
    }
    if ((entry.flags & kEntryPassed) == 0) CountWaiting(entry.policies, 1);
    // For the same reason: LetGo marks and wakes the first one again.
    entry.flags &= ~uint32_t{kEntryHead};
    entry.next = first;
    first = i;
    ++*waiting;
  }
  header_->granted = granted;
  return first;
}

// A full server is probed by an entry that holds a place, or by none. Clears other probers.
void Board::EndLostProbes() {
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    const uint32_t prober = Load(records_[i].prober);
    if (prober == kNoEntry) continue;
    const uint32_t state = Valid(prober) ? StateOf(At(prober).word) : uint32_t{kEntryFree};
    const bool tries =
        (state == kEntryGranted || state == kEntryHeld) && Contains(At(prober).policies, i);
    if (!tries) __atomic_store_n(&records_[i].prober, kNoEntry, __ATOMIC_RELAXED);
  }
}

// Returns the next entry of a list, or kNoEntry if there is none or the link is invalid.
uint32_t Board::Next(uint32_t entry) const {
  const uint32_t next = Load(entries_[entry - 1].next);
  return Valid(next) ? next : kNoEntry;
}

// Merge sort of a list of `count` entries, at most the board's capacity: up to 65,536 may wait. If
// the list is shorter than that, entries are lost from it. That does no harm: the threads that own
// them find out.
uint32_t Board::SortByTicket(uint32_t first, uint32_t count) {
  if (first == kNoEntry) return kNoEntry;
  if (count < 2) {
    At(first).next = kNoEntry;
    return first;
  }
  uint32_t last = first;
  for (uint32_t i = 1; i < count / 2 && Next(last) != kNoEntry; ++i) last = Next(last);
  const uint32_t right = Next(last);
  At(last).next = kNoEntry;
  return Merge(SortByTicket(first, count / 2), SortByTicket(right, count - count / 2), count);
}

uint32_t Board::Merge(uint32_t left, uint32_t right, uint32_t count) {
  uint32_t first = kNoEntry;
  uint32_t last = kNoEntry;
  for (uint32_t i = 0; i < count && (left != kNoEntry || right != kNoEntry); ++i) {
    const bool from_left =
        right == kNoEntry || (left != kNoEntry && Load(At(left).ticket) < Load(At(right).ticket));
    uint32_t& from = from_left ? left : right;
    const uint32_t smaller = from;
    from = Next(smaller);
    if (last == kNoEntry) {
      first = smaller;
    } else {
      At(last).next = smaller;
    }
    last = smaller;
  }
  if (last != kNoEntry) At(last).next = kNoEntry;
  return first;
}

// -------------------------------------------------------------------------------------------------
// Entries and their lists.

uint32_t Board::TakeEntry() {
  uint32_t entry = Load(header_->first_free_entry);
  if (entry != kNoEntry) {
    if (Valid(entry) && StateOf(Load(At(entry).word)) == kEntryFree) {
      header_->first_free_entry = Next(entry);
      return entry;
    }
    header_->first_free_entry = kNoEntry;
    Distrust();
  }
  const uint32_t used = entries_used();
  if (used >= capacity_.entries) return kNoEntry;
  entry = used + 1;
  if (entry > room_) {
    const uint32_t count = std::min(kEntriesAtOnce, capacity_.entries - used);
    if (populate_ != nullptr && !populate_(&entries_[used], count * sizeof(Entry))) return kNoEntry;
    room_ = used + count;
  }
  header_->entries_used = entry;
  return entry;
}

void Board::FreeEntry(uint32_t entry) {
  Entry& record = At(entry);
  // The word changes with each reuse of the entry, so that GiveUp cannot mistake a later use for
  // its own.
  __atomic_store_n(&record.ticket, uint64_t{0}, __ATOMIC_RELAXED);
  __atomic_store_n(&record.word, (record.word & ~0xffu) + 0x100 + kEntryFree, __ATOMIC_RELEASE);
  record.next = Load(header_->first_free_entry);
  header_->first_free_entry = entry;
}

void Board::Append(uint32_t entry) {
  const uint32_t last = Load(header_->last_waiting);
  At(entry).next = kNoEntry;
  At(entry).previous = last;
  if (Valid(last) && last != entry && StateOf(At(last).word) != kEntryFree) {
    At(last).next = entry;
  } else {
    if (last != kNoEntry) Distrust();
    header_->first_waiting = entry;
  }
  header_->last_waiting = entry;
}

// Inserts an entry into the list again, at the position of its ticket.
void Board::PutBack(uint32_t entry) {
  const uint64_t ticket = Load(At(entry).ticket);
  uint32_t behind = Load(header_->first_waiting);
  for (uint32_t i = 0; i < capacity_.entries; ++i) {
    if (!Valid(behind) || Load(At(behind).ticket) > ticket) break;
    behind = Next(behind);
  }
  if (!Valid(behind)) return Append(entry);
  const uint32_t before = Load(At(behind).previous);
  At(entry).next = behind;
  At(entry).previous = before;
  At(behind).previous = entry;
  if (Valid(before)) {
    At(before).next = entry;
  } else {
    header_->first_waiting = entry;
  }
}

void Board::Unlink(uint32_t entry) {
  const uint32_t next = Load(At(entry).next);
  const uint32_t previous = Load(At(entry).previous);
  if (Valid(previous)) {
    At(previous).next = next;
  } else {
    header_->first_waiting = next;
  }
  if (Valid(next)) {
    At(next).previous = previous;
  } else {
    header_->last_waiting = previous;
  }
}

// -------------------------------------------------------------------------------------------------
// Members and labels.

uint32_t Board::Join(const MemberIdentity& identity, uint64_t now) {
  const HostStateKeeper keeper;
  process_.store(ProcessOwner(identity.pid, identity.start_ticks), std::memory_order_relaxed);
  const BoardLock lock(this, now);
  if (!lock.held()) return kNoEntry;
  const uint32_t used = MembersUsed();
  // All records are taken: drop some dead members. Reap drops only members that have entries.
  if (Load(header_->first_free_member) == kNoEntry && used == capacity_.members) {
    for (uint32_t i = 0, found = 0; i < used && found < kMaxReapedAtOnce; ++i) {
      if (Running(members_[i].pid)) continue;
      Drop(i + 1, now);
      ++found;
    }
  }
  // A member with this pid is an earlier process, or an earlier program of this process. Its
  // connections are gone.
  for (uint32_t i = 1; i <= used; ++i) {
    if (members_[i - 1].pid == identity.pid) Drop(i, now);
  }
  uint32_t member = Load(header_->first_free_member);
  if (member - 1 < used && members_[member - 1].pid == 0) {
    header_->first_free_member = Load(members_[member - 1].next_free);
  } else {
    if (used >= capacity_.members) return kNoEntry;
    member = used + 1;
    if (populate_ != nullptr && !populate_(&members_[member - 1], sizeof(Member))) return kNoEntry;
    header_->members_used = member;
  }
  Member& record = members_[member - 1];
  const uint32_t wake = record.wake;
  record = {};
  record.wake = wake;
  record.start_ticks = identity.start_ticks;
  record.stack_start = identity.stack_start;
  record.verified_ns = now;
  CopyText(identity.service, record.service);
  CopyText(identity.ledger, record.ledger);
  __atomic_store_n(&record.pid, identity.pid, __ATOMIC_RELEASE);
  return member;
}

void Board::Leave(uint32_t member, uint64_t now) {
  const HostStateKeeper keeper;
  const BoardLock lock(this, now);
  if (lock.held()) Drop(member, now);
}

void Board::Drop(uint32_t member, uint64_t now) {
  if (member - 1 >= capacity_.members || members_[member - 1].pid == 0) return;
  const uint32_t used = entries_used();
  Member& record = members_[member - 1];
  bool gone = false;
  for (uint32_t i = 1; i <= used && record.entries > 0; ++i) {
    const uint32_t state = StateOf(__atomic_load_n(&At(i).word, __ATOMIC_ACQUIRE));
    if (At(i).member != member || state == kEntryFree) continue;
    gone = gone || state == kEntryGone;
    if (state != kEntryGone) GiveBack(i, now);
  }
  __atomic_store_n(&record.pid, 0, __ATOMIC_RELEASE);
  record.entries = 0;
  if (gone) {
    // The process may have died before it counted that entry in `gone`, so `gone` is not enough to
    // start a rebuild.
    Rebuild();
  } else {
    record.next_free = Load(header_->first_free_member);
    header_->first_free_member = member;
  }
  LetGo(now, gone);
}

// Gives back what dead processes had. Checks a bounded number of members at a time, in turn.
// Returns false if it is not time yet.
bool Board::Reap(uint64_t now, uint64_t interval) {
  // A moment further in the future than threads can be apart comes from another boot.
  const uint64_t last = Load(header_->reaped_ns);
  if (last <= now ? now - last < interval : last - now < kVerifyIntervalNs) return false;
  header_->reaped_ns = now;
  if (now / kReapIntervalNs != last / kReapIntervalNs) PassOver(now);
  if (now / kVerifyIntervalNs != last / kVerifyIntervalNs) {
    ReapUnclaimed(now);
    EndLostProbes();
    if (CountsContradict()) Rebuild();
  }
  if (!shared_) return true;
  const HostStateKeeper keeper;
  const uint32_t used = MembersUsed();
  uint32_t verified = 0;
  uint32_t looked_at = 0;
  const uint32_t most = interval < kReapIntervalNs ? kMaxReapedOften : kMaxReapedAtOnce;
  for (uint32_t i = 0; i < used && looked_at < most; ++i) {
    const uint32_t member = Load(header_->reap_cursor) % used + 1;
    header_->reap_cursor = member;
    Member& record = members_[member - 1];
    if (record.pid == 0 || record.entries == 0) continue;
    ++looked_at;
    bool lives = Running(record.pid);
    if (lives && now - record.verified_ns > kVerifyIntervalNs && verified < kMaxVerifiedAtOnce) {
      ++verified;
      record.verified_ns = now;
      lives = SameProcess({record.start_ticks, record.stack_start}, ReadMarks(record.pid));
    }
    if (!lives) Drop(member, now);
  }
  return true;
}

// Whether a count exceeds the number of entries. With such a count no entry would be let go.
bool Board::CountsContradict() const {
  const uint32_t used = entries_used();
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    if (Load(records_[i].use) > used || Load(records_[i].waiting) > used) return true;
  }
  return false;
}

// Gives back the entries of threads that left their wait by longjmp(3).
void Board::ReapUnclaimed(uint64_t now) {
  for (uint32_t i = 1; i <= entries_used(); ++i) {
    const Entry& entry = At(i);
    if (StateOf(Load(entry.word)) != kEntryWaiting) continue;
    const uint64_t due = Load(entry.deadline_ns);
    if (now > due && now - due > kUnclaimedNs) GiveBack(i, now);
  }
}

uint32_t* Board::WakeWord(uint32_t member) {
  // wake_word_ is private to this process; threads of other processes sleep on the member's word.
  if (wake_word_ != nullptr && !shared_) return wake_word_;
  return member - 1 < capacity_.members ? &members_[member - 1].wake : nullptr;
}

uint32_t Board::LabelFor(uint64_t call_site) const {
  if (call_site == 0) return kNoEntry;
  for (uint32_t i = 0; i < capacity_.labels; ++i) {
    const uint32_t place = (Mix(call_site, 0) + i) & (capacity_.labels - 1);
    const uint64_t id = __atomic_load_n(&labels_[place].call_site, __ATOMIC_ACQUIRE);
    if (id == call_site) return place + 1;
    if (id == 0) return kNoEntry;
  }
  return kNoEntry;
}

uint32_t Board::AddLabel(uint64_t call_site, const char* text, uint64_t now) {
  const BoardLock lock(this, now);
  if (call_site == 0 || !lock.held()) return kNoEntry;
  // Fills at most half of the table, so that a search for a missing label ends soon.
  for (uint32_t i = 0; i < capacity_.labels / 2; ++i) {
    const uint32_t place = (Mix(call_site, 0) + i) & (capacity_.labels - 1);
    Label& label = labels_[place];
    if (label.call_site == call_site) return place + 1;
    if (label.call_site != 0) continue;
    CopyText(text, label.text);
    __atomic_store_n(&label.call_site, call_site, __ATOMIC_RELEASE);
    return place + 1;
  }
  return kNoEntry;
}

uint32_t Board::entries_used() const {
  return std::min(Load(header_->entries_used), capacity_.entries);
}

uint32_t Board::MembersUsed() const {
  return std::min(Load(header_->members_used), capacity_.members);
}

}  // namespace pqleash::caps
