// SPDX-License-Identifier: Apache-2.0
//
// The policies on a board, entered by configurations and changed by operators.

#include <algorithm>
#include <cstring>

#include "shim/caps/board.h"
#include "shim/caps/board_lock.h"
#include "shim/caps/limits.h"
#include "shim/support/text.h"

namespace pqleash::caps {

namespace {

bool Same(const Rule& a, const Rule& b) { return memcmp(&a, &b, sizeof(Rule)) == 0; }
bool Same(const Policy& a, const Policy& b) { return memcmp(&a, &b, sizeof(Policy)) == 0; }

// Compares like CopyText would cut the text. Never reads beyond the field, whatever the board
// contains.
template <size_t size>
bool SameText(const char (&field)[size], const char* text) {
  return strncmp(field, text, size - 1) == 0;
}

}  // namespace

uint32_t Board::generation() const {
  return __atomic_load_n(&header_->generation, __ATOMIC_ACQUIRE);
}

// Returns the record with that name and service, or kNoPolicyNumber. In the latter case `vacant` is
// a record to use for it: a free one, or else the oldest configured policy under which no
// connection is held; kNoPolicyNumber if there is none.
uint32_t Board::FindRecord(const char* name, const char* service, uint32_t* vacant) const {
  *vacant = kNoPolicyNumber;
  uint32_t unused = kNoPolicyNumber;
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    const Record& record = records_[i];
    if (record.origin == kFromNobody) {
      // Entries may still have the bit of a retired policy.
      if (*vacant == kNoPolicyNumber && record.use == 0 && record.waiting == 0) *vacant = i;
      continue;
    }
    if (SameText(record.filed.name, name) && SameText(record.service, service)) return i;
    if (record.origin != kFromConfig || record.use != 0 || record.waiting != 0) continue;
    if (unused == kNoPolicyNumber || record.stamp < records_[unused].stamp) unused = i;
  }
  if (*vacant == kNoPolicyNumber) *vacant = unused;
  return kNoPolicyNumber;
}

uint32_t Board::Install(const Policy& policy, const char* service, Origin origin, uint64_t source,
                        uint64_t stamp, uint64_t now, bool* differs, int32_t changed_by) {
  *differs = false;
  const BoardLock lock(this, now);
  if (!lock.held()) return kLockBusy;
  uint32_t vacant;
  uint32_t number = FindRecord(policy.name, service, &vacant);
  if (number == kNoPolicyNumber) {
    if (vacant == kNoPolicyNumber) return kNoPolicyNumber;
    number = vacant;
    Record& record = records_[number];
    EndEpisode(record);
    record = {};
    CopyText(service, record.service);
  } else if (Same(records_[number].filed, policy) && records_[number].origin == origin) {
    records_[number].stamp = std::max(records_[number].stamp, stamp);
    return number;
  } else if (records_[number].origin == kFromConfig && stamp <= records_[number].stamp) {
    *differs = true;
    return number;
  }
  if (number >= policies_used())
    __atomic_store_n(&header_->policies_used, number + 1, __ATOMIC_RELEASE);
  Record& record = records_[number];
  record.stamp = 0;  // if the process dies now, the next file replaces the record
  record.filed = policy;
  if (record.overridden == 0) record.rule = policy.rule;
  record.source = source;
  record.stamp = stamp;
  __atomic_store_n(&record.origin, origin, __ATOMIC_RELEASE);
  Change(number, changed_by, now);
  return number;
}

void Board::Mirror(uint32_t number, const Record& original, uint64_t now) {
  const BoardLock lock(this, now);
  if (!lock.held()) return;
  Record& record = records_[number];
  const bool same = record.origin == original.origin && Same(record.filed, original.filed) &&
                    Same(record.rule, original.rule) && SameText(record.service, original.service);
  if (same) return;
  if (!SameText(record.filed.name, original.filed.name)) {
    EndEpisode(record);
    const uint32_t use = record.use;
    const uint32_t waiting = record.waiting;
    record = {};
    record.use = use;
    record.waiting = waiting;
  }
  record.filed = original.filed;
  record.rule = original.rule;
  record.overridden = original.overridden;
  record.source = original.source;
  record.stamp = original.stamp;
  memcpy(record.service, original.service, sizeof(record.service));
  record.origin = original.origin;
  if (number >= policies_used())
    __atomic_store_n(&header_->policies_used, number + 1, __ATOMIC_RELEASE);
  Change(number, original.changed_by, now);
}

void Board::Retire(uint32_t number, uint64_t now, int32_t changed_by) {
  const BoardLock lock(this, now);
  if (lock.held()) RetireLocked(number, changed_by, now);
}

void Board::RetireFiled(uint32_t number, const char* name, uint64_t source, uint64_t stamp,
                        uint64_t now) {
  const BoardLock lock(this, now);
  if (!lock.held()) return;
  Record& record = records_[number];
  if (record.origin != kFromConfig || record.source != source || record.stamp >= stamp ||
      !SameText(record.filed.name, name))
    return;
  record.announced = 1;  // an operator's change of it need not be logged any more
  RetireLocked(number, 0, now);
}

void Board::RetireLocked(uint32_t number, int32_t changed_by, uint64_t now) {
  // Entries keep the bit until they end. Without a limit the policy has room for all of them.
  records_[number].rule.on_limit = kWarn;
  records_[number].origin = kFromNobody;
  Change(number, changed_by, now);
}

void Board::CountElsewhere(uint32_t number, uint32_t use, uint64_t now) {
  __atomic_store_n(&records_[number].elsewhere, use, __ATOMIC_RELAXED);
  __atomic_store_n(&records_[number].elsewhere_at_ns, now, __ATOMIC_RELAXED);
}

bool Board::Override(uint32_t number, const Rule& rule, int32_t changed_by, uint64_t now) {
  const BoardLock lock(this, now);
  if (!lock.held() || records_[number].origin == kFromNobody) return false;
  records_[number].before = records_[number].rule;
  records_[number].rule = rule;
  records_[number].overridden = 1;
  Change(number, changed_by, now);
  return true;
}

bool Board::Reset(uint32_t number, int32_t changed_by, uint64_t now) {
  const BoardLock lock(this, now);
  if (!lock.held() || records_[number].origin == kFromNobody) return false;
  records_[number].before = records_[number].rule;
  records_[number].rule = records_[number].filed.rule;
  records_[number].overridden = 0;
  Change(number, changed_by, now);
  return true;
}

// Publishes a change of a policy: raises the generation, and lets entries go that have room now.
void Board::Change(uint32_t number, int32_t changed_by, uint64_t now) {
  Record& record = records_[number];
  if (changed_by != 0) {
    record.changed_by = static_cast<uint32_t>(changed_by);
    __atomic_store_n(&record.announced, 0u, __ATOMIC_RELAXED);
  }
  record.full_at_ns = std::min(record.full_at_ns, FullAtMost(record, now));
  if (record.rule.on_server_full != kFullBackoff) {
    record.server_full_since_ns = 0;
    record.probes = 0;
    record.prober = kNoEntry;
  }
  __atomic_fetch_add(&header_->generation, 1u, __ATOMIC_RELEASE);
  LetGo(now, true);
}

bool Board::Announce(uint32_t number) {
  Record& record = records_[number];
  return record.changed_by != 0 &&
         __atomic_exchange_n(&record.announced, 1u, __ATOMIC_RELAXED) == 0;
}

uint32_t Board::policies_used() const {
  return std::min(__atomic_load_n(&header_->policies_used, __ATOMIC_ACQUIRE), kMaxPolicies);
}

uint32_t Board::use(uint32_t number) const {
  return __atomic_load_n(&records_[number].use, __ATOMIC_RELAXED);
}

}  // namespace pqleash::caps
