// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/rule_cache.h"

namespace pqleash::stack {

constinit RuleCache rule_cache;

void RuleCache::Store(uint64_t pc, uint64_t generation, FrameRule rule) {
  Set& set = sets_[SetOf(pc)];
  const uint32_t first = set.ways[0].sequence.load(std::memory_order_relaxed);
  const uint32_t second = set.ways[1].sequence.load(std::memory_order_relaxed);
  // The way that was written less often: both fill up, then they take turns.
  Entry& entry = set.ways[static_cast<int32_t>(first - second) > 0 ? 1 : 0];
  uint32_t sequence = entry.sequence.load(std::memory_order_relaxed) & ~1u;
  if (!entry.sequence.compare_exchange_strong(sequence, sequence + 1, std::memory_order_acquire)) {
    return;
  }
  entry.pc.store(pc, std::memory_order_release);
  entry.generation.store(generation, std::memory_order_release);
  entry.rule.store(std::bit_cast<uint64_t>(rule), std::memory_order_release);
  entry.sequence.store(sequence + 2, std::memory_order_release);
}

}  // namespace pqleash::stack
