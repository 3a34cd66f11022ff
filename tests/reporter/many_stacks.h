// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_REPORTER_MANY_STACKS_H_
#define PQLEASH_TESTS_REPORTER_MANY_STACKS_H_

#include <cstdint>

#include "reporter/call_sites/call_site_group.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/living_ledger.h"

namespace pqleash::reporter {

inline constexpr int32_t kBackendOfAll = 4711;

// The ledger of this process, whose stacks have more frames than one report holds: those of one
// call site are left out. Each has one connection, all to the same backend.
inline LedgerBuilder ManyStacks() {
  constexpr uint32_t kDepth = 1'000;
  constexpr uint32_t kSites = kMaxReportFrames / kDepth + 1;
  LedgerBuilder builder;
  MakeOfThisProcess(&builder);
  // Ledgers may name the same frames over and over.
  for (uint32_t i = 0; i < kSites + kDepth; ++i)
    builder.frames.push_back(ledger::kFrameNoModule << ledger::kFrameKindShift | (0x1000 + i));
  const uint32_t target = builder.AddTarget("db1", 5432, "app", "shop", "");
  for (uint32_t i = 0; i < kSites; ++i) {
    const uint32_t site = builder.AddCallSite(0x1000 + i, {});
    builder.call_sites[site].first_frame = i;
    builder.call_sites[site].frame_count = kDepth;
    builder.AddConnection(site, target, 1, 2, 1).backend_pid = kBackendOfAll;
  }
  return builder;
}

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_REPORTER_MANY_STACKS_H_
