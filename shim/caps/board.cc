// SPDX-License-Identifier: Apache-2.0
//
// The board itself: its memory, its lock, its processes and labels. Policies are in
// board_policies.cc, connects in board_connects.cc.

#include "shim/caps/board.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "shim/caps/board_lock.h"
#include "shim/support/clock.h"
#include "shim/support/hash.h"
#include "shim/support/host_state.h"
#include "shim/support/liveness.h"
#include "shim/support/text.h"

namespace pqleash::caps {

namespace {

constexpr uint64_t kVerifyIntervalNs = 1'000'000'000;
constexpr uint64_t kAvoidNs = 1'000'000'000;
constexpr uint32_t kMaxReapedAtOnce = 256;
constexpr uint32_t kMaxReapedOften = 64;  // when a full cap is asked every millisecond
constexpr uint32_t kMaxVerifiedAtOnce = 16;
constexpr uint32_t kEntriesAtOnce = 64;  // pages are made for that many

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

bool MakeMutex(pthread_mutex_t* mutex, bool shared) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if (shared) {
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  }
  const int made = pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return made == 0;
}

int SharedKind() {
  pthread_mutex_t mutex;
  if (!MakeMutex(&mutex, true)) return -1;
  const int kind = mutex.__data.__kind;
  pthread_mutex_destroy(&mutex);
  return kind;
}

int LockUntil(pthread_mutex_t* mutex, uint64_t until) {
#ifdef __SANITIZE_THREAD__
  // ThreadSanitizer of GCC 12 does not know pthread_mutex_clocklock and reports the unlock.
  constexpr clockid_t kClock = CLOCK_REALTIME;
  until += ReadClock(CLOCK_REALTIME) - Now();
#else
  constexpr clockid_t kClock = CLOCK_MONOTONIC;
#endif
  const timespec moment = {static_cast<time_t>(until / 1'000'000'000),
                           static_cast<long>(until % 1'000'000'000)};
  return kClock == CLOCK_REALTIME ? pthread_mutex_timedlock(mutex, &moment)
                                  : pthread_mutex_clocklock(mutex, kClock, &moment);
}

pthread_mutex_t* Mutex(BoardHeader* header) {
  static_assert(sizeof(pthread_mutex_t) <= sizeof(header->lock));
  return reinterpret_cast<pthread_mutex_t*>(header->lock);
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

bool Board::Create(void* memory, const BoardCapacity& capacity, bool shared, uint64_t pid_namespace,
                   Populate populate) {
  capacity_ = capacity;
  populate_ = populate;
  const Offsets offsets = OffsetsOf(capacity);
  if (populate != nullptr && !populate(memory, offsets.members)) return false;
  // Labels are read without the lock, and even reading a page that is not there ends in SIGBUS on a
  // full tmpfs.
  if (populate != nullptr &&
      !populate(static_cast<char*>(memory) + offsets.labels, capacity.labels * sizeof(Label)))
    return false;
  Lay(memory);
  if (!MakeMutex(Mutex(header_), shared)) {
    header_ = nullptr;
    return false;
  }
  header_->version = kBoardVersion;
  header_->shared = shared ? 1 : 0;
  header_->size = offsets.size;
  header_->pid_namespace = pid_namespace;
  header_->records_offset = offsets.records;
  header_->members_offset = offsets.members;
  header_->labels_offset = offsets.labels;
  header_->entries_offset = offsets.entries;
  header_->member_capacity = capacity.members;
  header_->label_capacity = capacity.labels;
  header_->entry_capacity = capacity.entries;
  header_->next_ticket = 1;
  memcpy(header_->magic, kBoardMagic, sizeof(kBoardMagic));
  return true;
}

bool Board::Attach(void* memory, uint64_t size, Populate populate) {
  const auto* header = static_cast<const BoardHeader*>(memory);
  if (size < 4096 || memcmp(header->magic, kBoardMagic, sizeof(kBoardMagic)) != 0) return false;
  const BoardCapacity capacity = {header->member_capacity, header->label_capacity,
                                  header->entry_capacity};
  const bool fits = capacity.members <= 1u << 20 && capacity.labels <= 1u << 20 &&
                    capacity.entries <= 1u << 24 && (capacity.labels & (capacity.labels - 1)) == 0;
  if (header->version != kBoardVersion || header->shared != 1 || !fits || Size(capacity) > size)
    return false;
  // glibc aborts on some kinds of mutex in a state that it holds impossible.
  if (reinterpret_cast<const pthread_mutex_t*>(header->lock)->__data.__kind != SharedKind())
    return false;
  capacity_ = capacity;
  populate_ = populate;
  Lay(memory);
  return true;
}

// -------------------------------------------------------------------------------------------------
// Lock.

bool Board::Lock(uint64_t now) {
  pthread_mutex_t* mutex = Mutex(header_);
  int result = pthread_mutex_trylock(mutex);
  if (result == EBUSY) {
    if (now < avoid_until_.load(std::memory_order_relaxed)) return false;
    const uint64_t until = now + kLockPatienceNs;
    result = LockUntil(mutex, until);
    // The holder is stopped, say by a debugger. Others need not find that out one by one.
    if (result == ETIMEDOUT) avoid_until_.store(until + kAvoidNs, std::memory_order_relaxed);
  }
  if (result == EOWNERDEAD) {
    Rebuild();
    ++header_->repairs;
    __atomic_fetch_add(&header_->generation, 1u, __ATOMIC_RELEASE);  // it may have died in a change
    pthread_mutex_consistent(mutex);
    LetGo(now, true);
    return true;
  }
  if (result != 0) return false;
  if (avoid_until_.load(std::memory_order_relaxed) != 0)
    avoid_until_.store(0, std::memory_order_relaxed);
  if (__atomic_load_n(&header_->gone, __ATOMIC_ACQUIRE) != 0) {
    Rebuild();
    LetGo(now, true);
  }
  return true;
}

void Board::Unlock() { pthread_mutex_unlock(Mutex(header_)); }

// What was found on the board contradicts itself: whoever gets the lock next makes it anew.
void Board::Distrust() { __atomic_fetch_add(&header_->gone, 1u, __ATOMIC_RELAXED); }

// Everything that follows from the entries, made anew. LetGo has to follow.
void Board::Rebuild() {
  // Before the entries are looked at: one that is given up meanwhile raises it again.
  __atomic_store_n(&header_->gone, 0u, __ATOMIC_SEQ_CST);
  uint32_t episodes = 0;
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    __atomic_store_n(&records_[i].use, 0u, __ATOMIC_RELAXED);
    records_[i].waiting = 0;
    if (records_[i].entered_ns != 0) ++episodes;
  }
  SetEpisodes(episodes);
  const uint32_t members_used = std::min(header_->members_used, capacity_.members);
  header_->first_free_member = 0;
  for (uint32_t i = members_used; i > 0; --i) {
    members_[i - 1].entries = 0;
    if (members_[i - 1].pid != 0) continue;
    members_[i - 1].next_free = header_->first_free_member;
    header_->first_free_member = i;
  }
  header_->first_free_entry = kNoEntry;
  uint32_t waiting = 0;
  uint32_t first = kNoEntry;
  for (uint32_t i = std::min(header_->entries_used, capacity_.entries); i > 0; --i) {
    Entry& entry = At(i);
    const uint32_t state = StateOf(__atomic_load_n(&entry.word, __ATOMIC_ACQUIRE));
    const bool lives = state == kEntryWaiting || state == kEntryGranted || state == kEntryHeld;
    if (!lives || entry.member - 1 >= members_used || members_[entry.member - 1].pid == 0) {
      FreeEntry(i);
      continue;
    }
    ++members_[entry.member - 1].entries;
    if (state != kEntryWaiting) {
      CountUse(entry.policies, 1);
      if (state == kEntryGranted) Wake(entry);  // who granted it may have died before saying so
      continue;
    }
    CountWaiting(entry.policies, 1);
    entry.flags &= ~uint32_t{kEntryHead};  // the same: LetGo marks and wakes the first again
    entry.next = first;
    first = i;
    ++waiting;
  }
  header_->first_waiting = kNoEntry;
  header_->last_waiting = kNoEntry;
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    const uint32_t prober = records_[i].prober;
    const uint32_t state = Valid(prober) ? StateOf(At(prober).word) : uint32_t{kEntryFree};
    const bool tries =
        (state == kEntryGranted || state == kEntryHeld) && (At(prober).policies >> i & 1) != 0;
    if (!tries) __atomic_store_n(&records_[i].prober, kNoEntry, __ATOMIC_RELAXED);
  }
  for (uint32_t i = SortByTicket(first, waiting); i != kNoEntry;) {
    const uint32_t next = At(i).next;
    Append(i);
    i = next;
  }
}

// Merge sort of a list of `count` entries: 65,536 may wait.
uint32_t Board::SortByTicket(uint32_t first, uint32_t count) {
  if (count < 2) {
    if (first != kNoEntry) At(first).next = kNoEntry;
    return first;
  }
  uint32_t last = first;
  for (uint32_t i = 1; i < count / 2; ++i) last = At(last).next;
  uint32_t right = At(last).next;
  At(last).next = kNoEntry;
  uint32_t left = SortByTicket(first, count / 2);
  right = SortByTicket(right, count - count / 2);
  uint32_t sorted = kNoEntry;
  uint32_t* end = &sorted;
  while (left != kNoEntry && right != kNoEntry) {
    uint32_t& smaller = At(left).ticket < At(right).ticket ? left : right;
    *end = smaller;
    end = &At(smaller).next;
    smaller = *end;
  }
  *end = left != kNoEntry ? left : right;
  return sorted;
}

// -------------------------------------------------------------------------------------------------
// Entries and their lists.

uint32_t Board::TakeEntry() {
  uint32_t entry = header_->first_free_entry;
  if (entry != kNoEntry) {
    if (Valid(entry) && StateOf(At(entry).word) == kEntryFree) {
      header_->first_free_entry = At(entry).next;
      return entry;
    }
    header_->first_free_entry = kNoEntry;
    Distrust();
  }
  if (header_->entries_used >= capacity_.entries) return kNoEntry;
  entry = header_->entries_used + 1;
  if (entry > header_->room_entries) {
    const uint32_t count = std::min(kEntriesAtOnce, capacity_.entries - header_->room_entries);
    if (populate_ != nullptr && !populate_(&entries_[header_->room_entries], count * sizeof(Entry)))
      return kNoEntry;
    header_->room_entries += count;
  }
  header_->entries_used = entry;
  return entry;
}

void Board::FreeEntry(uint32_t entry) {
  Entry& record = At(entry);
  // The word changes with every life, so that GiveUp cannot take a later one for its own.
  __atomic_store_n(&record.ticket, uint64_t{0}, __ATOMIC_RELAXED);
  __atomic_store_n(&record.word, (record.word & ~0xffu) + 0x100 + kEntryFree, __ATOMIC_RELEASE);
  record.next = header_->first_free_entry;
  header_->first_free_entry = entry;
}

void Board::Append(uint32_t entry) {
  At(entry).next = kNoEntry;
  At(entry).previous = header_->last_waiting;
  const uint32_t last = header_->last_waiting;
  if (Valid(last) && last != entry && StateOf(At(last).word) != kEntryFree) {
    At(last).next = entry;
  } else {
    if (last != kNoEntry) Distrust();
    header_->first_waiting = entry;
  }
  header_->last_waiting = entry;
}

void Board::Unlink(uint32_t entry) {
  const uint32_t next = At(entry).next;
  const uint32_t previous = At(entry).previous;
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
  const BoardLock lock(this, now);
  if (!lock.held()) return kNoEntry;
  const uint32_t used = std::min(header_->members_used, capacity_.members);
  // All taken: look for some of the dead that had nothing.
  if (header_->first_free_member == kNoEntry && used == capacity_.members) {
    for (uint32_t i = 0, found = 0; i < used && found < kMaxReapedAtOnce; ++i) {
      if (Running(members_[i].pid)) continue;
      Drop(i + 1, now);
      ++found;
    }
  }
  // An earlier process, or an earlier program of this one: what it had is gone.
  for (uint32_t i = 1; i <= used; ++i) {
    if (members_[i - 1].pid == identity.pid) Drop(i, now);
  }
  uint32_t member = header_->first_free_member;
  if (member - 1 < used && members_[member - 1].pid == 0) {
    header_->first_free_member = members_[member - 1].next_free;
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
  const uint32_t used = std::min(header_->entries_used, capacity_.entries);
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
    // It may have died before it could say so: `gone` of the header is not to be relied on.
    Rebuild();
  } else {
    record.next_free = header_->first_free_member;
    header_->first_free_member = member;
  }
  LetGo(now, gone);
}

// Gives back what dead processes had. A bounded number of them at a time, in turn.
bool Board::Reap(uint64_t now, uint64_t interval) {
  // In the future by more than threads can be apart: of another boot.
  const uint64_t last = header_->reaped_ns;
  if (last <= now ? now - last < interval : last - now < kVerifyIntervalNs) return false;
  if (now / kVerifyIntervalNs != header_->reaped_ns / kVerifyIntervalNs) ReapUnclaimed(now);
  header_->reaped_ns = now;
  if (header_->shared == 0) return true;
  const HostStateKeeper keeper;
  const uint32_t used = std::min(header_->members_used, capacity_.members);
  uint32_t verified = 0;
  uint32_t looked_at = 0;
  const uint32_t most = interval < kReapIntervalNs ? kMaxReapedOften : kMaxReapedAtOnce;
  for (uint32_t i = 0; i < used && looked_at < most; ++i) {
    const uint32_t member = header_->reap_cursor % used + 1;
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

// What a thread that left by longjmp(3) was given, or waited for.
void Board::ReapUnclaimed(uint64_t now) {
  const uint32_t used = std::min(header_->entries_used, capacity_.entries);
  for (uint32_t i = 1; i <= used; ++i) {
    const Entry& entry = At(i);
    const uint32_t state = StateOf(entry.word);
    const uint64_t due = state == kEntryGranted   ? entry.since_ns
                         : state == kEntryWaiting ? entry.deadline_ns
                                                  : now;
    const bool lost = now > due && now - due > kUnclaimedNs;
    if (lost) GiveBack(i, now);
  }
}

uint32_t* Board::WakeWord(uint32_t member) {
  // Another process's threads do not sleep on a word of ours.
  if (wake_word_ != nullptr && header_->shared == 0) return wake_word_;
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
  // Half way round at most: the search for one that is not there has to end soon.
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
  return std::min(__atomic_load_n(&header_->entries_used, __ATOMIC_RELAXED), capacity_.entries);
}

}  // namespace pqleash::caps
