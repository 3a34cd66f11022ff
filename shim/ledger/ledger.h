// SPDX-License-Identifier: Apache-2.0
//
// The writer's side of a ledger: the mapped file, its sections, and room in them. LEDGER.md is the
// contract.

#ifndef PQLEASH_SHIM_LEDGER_LEDGER_H_
#define PQLEASH_SHIM_LEDGER_LEDGER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shim/ledger/layout.h"
#include "shim/support/bounded_lock.h"

namespace pqleash::ledger {

// Records, or bytes for kStrings, that each section can hold at most.
using Capacities = uint32_t[kSectionCount];

inline constexpr uint32_t kRecordSizes[kSectionCount] = {sizeof(ConnectionSlot),
                                                         sizeof(CallSite),
                                                         sizeof(uint64_t),
                                                         sizeof(ScriptFrame),
                                                         sizeof(Module),
                                                         sizeof(Target),
                                                         1,
                                                         sizeof(HistoryPeriod),
                                                         1};

// Thread-safe but for Map.
class Ledger {
 public:
  // Maps `fd`, a new and empty file, at full size, and makes the header's pages. The caller closes
  // `fd`. With fd -1 the ledger lives in memory alone: nobody else can read it, all else works.
  // False: no room; errno says more.
  bool Map(int fd, const Capacities& capacities);

  Header& header() const { return *reinterpret_cast<Header*>(base_); }

  template <typename Record>
  Record& At(SectionIndex section, uint32_t number) const {
    return reinterpret_cast<Record*>(base_ + offsets_[section])[number];
  }
  uint32_t capacity(SectionIndex section) const { return capacities_[section]; }

  // Undoes Map.
  void Unmap();

  // Makes the pages of the first `count` records, so that a store cannot fail (a store into a hole
  // of a full tmpfs ends the process with SIGBUS). False: beyond the capacity, or no space.
  bool MakeRoom(SectionIndex section, uint32_t count);

  // From now on no pages are made without `may` having said so.
  void GrowOnlyIf(bool (*may)()) { may_grow_ = may; }

  // Stores the magic: from now on readers take the file for a ledger. The header must be complete.
  void Publish();

  // Bytes that a file of these capacities has.
  static uint64_t FileSize(const Capacities& capacities);

 private:
  bool Populate(uint64_t begin, uint64_t end);

  char* base_;
  uint64_t size_;
  uint64_t offsets_[kSectionCount];
  uint32_t capacities_[kSectionCount];
  std::atomic<uint32_t> room_[kSectionCount];  // records whose pages are there
  BoundedLock lock_;
  bool (*may_grow_)() = nullptr;  // nullptr: always
  bool preallocated_;  // the kernel lacks MADV_POPULATE_WRITE: all pages were made at once
};

// Adds to, and reads, the counters of header and call sites.
template <typename Integer>
std::atomic_ref<Integer> Atomic(Integer& value) {
  return std::atomic_ref<Integer>(value);
}
template <typename Integer>
void Add(Integer& counter, Integer amount) {
  Atomic(counter).fetch_add(amount, std::memory_order_relaxed);
}
template <typename Integer>
void Count(Integer& counter) {
  Add(counter, Integer{1});
}
// Raises `maximum` to `value`.
template <typename Integer>
void Raise(Integer& maximum, Integer value) {
  Integer before = Atomic(maximum).load(std::memory_order_relaxed);
  while (before < value &&
         !Atomic(maximum).compare_exchange_weak(before, value, std::memory_order_relaxed)) {
  }
}
template <typename Integer>
void Store(Integer& field, Integer value) {
  Atomic(field).store(value, std::memory_order_relaxed);
}
template <typename Integer>
Integer Load(const Integer& field) {
  return Atomic(const_cast<Integer&>(field)).load(std::memory_order_relaxed);
}
// Several fields at once, or text: word by word, since others of this process may read meanwhile.
// `to` is aligned for a word, and `bytes` are whole words.
inline void StoreWords(void* to, const void* from, size_t bytes) {
  using Word = uint32_t __attribute__((may_alias));
  auto* words = static_cast<Word*>(to);
  const char* source = static_cast<const char*>(from);
  for (size_t i = 0; i < bytes / sizeof(Word); ++i) {
    uint32_t word = 0;
    __builtin_memcpy(&word, source + i * sizeof(Word), sizeof(Word));
    __atomic_store_n(&words[i], word, __ATOMIC_RELAXED);
  }
}
template <typename Integer>
void StoreRelease(Integer& field, Integer value) {
  Atomic(field).store(value, std::memory_order_release);
}
template <typename Integer>
Integer LoadAcquire(const Integer& field) {
  return Atomic(const_cast<Integer&>(field)).load(std::memory_order_acquire);
}

// A record as it was at one moment: the reader's side of its seqlock. False: it changed all the
// time.
template <typename Record>
bool ReadWhole(const Record& record, Record* copy) {
  constexpr int kTries = 8;
  using Word = uint64_t __attribute__((may_alias));
  static_assert(sizeof(Record) % sizeof(Word) == 0 && alignof(Record) % alignof(Word) == 0);
  const auto* from = reinterpret_cast<const Word*>(&record);
  for (int tries = 0; tries < kTries; ++tries) {
    const uint32_t before = LoadAcquire(record.sequence);
    uint64_t words[sizeof(Record) / sizeof(Word)];
    // Others store them meanwhile. Each is whole; whether they belong together is seen below.
    for (size_t i = 0; i < sizeof(Record) / sizeof(Word); ++i)
      words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 != 0 || Load(record.sequence) != before) continue;
    __builtin_memcpy(copy, words, sizeof(words));
    return true;
  }
  return false;
}

// The writer's side of a record's seqlock: odd while the object lives. One writer at a time.
class SequenceGuard {
 public:
  explicit SequenceGuard(uint32_t& sequence) : sequence_(sequence) {
    Store(sequence_, (Load(sequence_) | 1));
    std::atomic_thread_fence(std::memory_order_release);
  }
  ~SequenceGuard() { StoreRelease(sequence_, Load(sequence_) + 1); }
  SequenceGuard(const SequenceGuard&) = delete;
  SequenceGuard& operator=(const SequenceGuard&) = delete;

 private:
  uint32_t& sequence_;
};

}  // namespace pqleash::ledger

#endif  // PQLEASH_SHIM_LEDGER_LEDGER_H_
