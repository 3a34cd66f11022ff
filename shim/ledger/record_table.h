// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_LEDGER_RECORD_TABLE_H_
#define PQLEASH_SHIM_LEDGER_RECORD_TABLE_H_

#include <atomic>
#include <cstdint>

#include "shim/ledger/ledger.h"

namespace pqleash::ledger {

// Interned records of one append-only section: one copy of each. Number 0 is never given out: it
// stands for 'not known'. Thread-safe; finding a record that is there takes no lock. All zero bytes
// is an empty table.
template <typename Record, SectionIndex section, uint32_t Header::*used>
class RecordTable {
 public:
  // `entries`: zeroed memory for `entry_count` (a power of two) words, at least twice the section's
  // capacity.
  void Use(Ledger* ledger, std::atomic<uint32_t>* entries, uint32_t entry_count) {
    ledger_ = ledger;
    entries_ = entries;
    entry_count_ = entry_count;
    Store(ledger_->header().*used, 1u);
  }

  // Number of the record that equals `record` by `same`, entered if it is new; 0: there is no room.
  // `publish` makes a record valid for readers once it is filled.
  template <typename Same, typename Publish>
  uint32_t Intern(const Record& record, uint64_t hash, Same same, Publish publish) {
    uint32_t vacant = entry_count_;
    if (const uint32_t known = Find(record, hash, same, &vacant)) return known;
    BoundedLockHolder lock(lock_);
    if (!lock.held()) return 0;
    // Another thread may have been faster.
    if (const uint32_t known = Find(record, hash, same, &vacant)) return known;
    Header& header = ledger_->header();
    const uint32_t number = Load(header.*used);
    if (vacant == entry_count_ || !ledger_->MakeRoom(section, number + 1)) return 0;
    Record& place = ledger_->At<Record>(section, number);
    place = record;
    publish(place);
    StoreRelease(header.*used, number + 1);
    entries_[vacant].store(number, std::memory_order_release);
    return number;
  }

  // Number of the record if it is there; 0 otherwise.
  template <typename Same>
  uint32_t Find(const Record& record, uint64_t hash, Same same) const {
    uint32_t vacant = entry_count_;
    return Find(record, hash, same, &vacant);
  }

 private:
  template <typename Same>
  uint32_t Find(const Record& record, uint64_t hash, Same same, uint32_t* vacant) const {
    for (uint32_t probe = 0; probe < entry_count_; ++probe) {
      const uint32_t index = static_cast<uint32_t>(hash + probe) & (entry_count_ - 1);
      const uint32_t number = entries_[index].load(std::memory_order_acquire);
      if (number == 0) {
        *vacant = index;
        return 0;
      }
      if (same(ledger_->At<Record>(section, number), record)) return number;
    }
    return 0;
  }

  Ledger* ledger_;
  std::atomic<uint32_t>* entries_;
  uint32_t entry_count_;
  BoundedLock lock_;
};

}  // namespace pqleash::ledger

#endif  // PQLEASH_SHIM_LEDGER_RECORD_TABLE_H_
