// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_TRACKER_HISTORY_H_
#define PQLEASH_SHIM_TRACKER_HISTORY_H_

#include <cstdint>

#include "shim/ledger/ledger.h"

namespace pqleash::tracker {

// The record of the ten seconds that `now` lies in, ready for what is counted now. Atomic stores;
// an event at the turn of a period may be lost or land beside it.
inline ledger::HistoryPeriod& HistoryAt(const ledger::Ledger& ledger, uint64_t now) {
  const uint64_t period = now / ledger::kHistoryPeriodNs;
  auto& record = ledger.At<ledger::HistoryPeriod>(
      ledger::kHistory, static_cast<uint32_t>(period % ledger::kHistoryPeriods));
  uint64_t before = ledger::Load(record.period);
  if (before != period && ledger::Atomic(record.period).compare_exchange_strong(before, period)) {
    ledger::Store(record.opened, 0u);
    ledger::Store(record.closed, 0u);
    ledger::Store(record.failed, 0u);
    ledger::Store(record.server_full, 0u);
    ledger::Store(record.waited, 0u);
    ledger::Store(record.refused, 0u);
    ledger::Store(record.open_peak, ledger::Load(ledger.header().open));
    ledger::Store(record.in_use_peak, ledger::Load(ledger.header().in_use));
    ledger::Store(record.busy_ns, uint64_t{0});
    ledger::Store(record.uses, uint64_t{0});
    ledger::Store(record.thread_changes, 0u);
    ledger::Store(record.handovers, 0u);
  }
  return record;
}

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_HISTORY_H_
