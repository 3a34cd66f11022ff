// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_RULE_CACHE_H_
#define PQLEASH_SHIM_STACK_RULE_CACHE_H_

#include <atomic>
#include <bit>
#include <cstdint>

#include "shim/stack/cfi.h"

namespace pqleash::stack {

// The rules of the process, by pc.
//
// 2-way sets in .bss, resident as far as used; full sets are overwritten, so the cache cannot fill
// up. Each entry is a seqlock with its whole key in it, so that a reader takes an entry exactly as
// it was written or not at all. A writer that finds the entry taken leaves it (another thread, or
// the frame that a signal handler interrupted), so nobody ever waits. A fork in the middle of a
// write loses the child that one entry, no more.
//
// `generation` is part of the key: see CaptureStack. Thread-safe and safe in signal handlers.
class RuleCache {
 public:
  // In line: it is once a frame.
  bool Find(uint64_t pc, uint64_t generation, FrameRule& rule) const {
    const Set& set = sets_[SetOf(pc)];
    return Read(set.ways[0], pc, generation, rule) || Read(set.ways[1], pc, generation, rule);
  }

  void Store(uint64_t pc, uint64_t generation, FrameRule rule);

 private:
  struct alignas(32) Entry {
    std::atomic<uint32_t> sequence;  // odd while somebody writes
    std::atomic<uint64_t> pc;        // 0: never used
    std::atomic<uint64_t> generation;
    std::atomic<uint64_t> rule;
  };
  struct alignas(64) Set {
    Entry ways[2];
  };
  static constexpr int kSetBits = 11;  // 4,096 rules, 128 KiB; a deep stack has 100 pcs

  static uint64_t SetOf(uint64_t pc) { return (pc * 0x9e3779b97f4a7c15u) >> (64 - kSetBits); }

  static bool Read(const Entry& entry, uint64_t pc, uint64_t generation, FrameRule& rule) {
    const uint32_t sequence = entry.sequence.load(std::memory_order_acquire);
    if (entry.pc.load(std::memory_order_acquire) != pc) return false;
    if (entry.generation.load(std::memory_order_acquire) != generation) return false;
    rule = std::bit_cast<FrameRule>(entry.rule.load(std::memory_order_acquire));
    return !(sequence & 1) && entry.sequence.load(std::memory_order_relaxed) == sequence;
  }

  Set sets_[1 << kSetBits];
};

extern RuleCache rule_cache;

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_RULE_CACHE_H_
