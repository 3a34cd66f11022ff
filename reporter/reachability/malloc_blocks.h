// SPDX-License-Identifier: Apache-2.0
//
// What glibc's allocator says of a block, by the words that it keeps around and in its blocks
// (malloc.c, "struct malloc_chunk"): how long one is, and whether an address lies in one that was
// freed. A chunk counts as free only where it is found in the list that the allocator would take it
// from: freed memory that was handed out again keeps the marks of free chunks for as long as the
// program does not write over them. All answers are of memory that changes meanwhile, and of
// processes that may use another allocator: each needs several words to fit together, and 'no' is
// always a safe answer.

#ifndef PQLEASH_REPORTER_REACHABILITY_MALLOC_BLOCKS_H_
#define PQLEASH_REPORTER_REACHABILITY_MALLOC_BLOCKS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "reporter/reachability/memory_map.h"

namespace pqleash::reporter {

class MallocBlocks {
 public:
  using WordAt = std::function<std::optional<uint64_t>(uint64_t address)>;

  // `regions`: where blocks may lie, as the kernel lists them, in order. Those that touch are one:
  // a process that was forked has two mappings for its heap as soon as that grows, and blocks lie
  // across the border. `libc_words`: the words of the data of libc.so, where the
  // allocator keeps its own; in order. `thread_words`: those of the threads' own storage, where
  // each has the address of its cache.
  MallocBlocks(WordAt word_at, std::vector<AddressRange> regions, std::vector<uint64_t> libc_words,
               std::vector<uint64_t> thread_words = {});

  // Where blocks may lie: in order, without two that touch.
  const std::vector<AddressRange>& regions() const { return regions_; }

  // Whether `address` lies where blocks may lie.
  bool MayBeInBlock(uint64_t address) const { return RegionOf(address) != nullptr; }

  // The memory of the block that malloc returned as `pointer`, in use.
  std::optional<AddressRange> BlockAt(uint64_t pointer) const;

  // Whether the word at `address` lies in memory that was freed: in a thread's cache, a bin of the
  // arena, or above its top.
  bool IsFree(uint64_t address) const;

 private:
  uint64_t Word(uint64_t address) const { return word_at_(address).value_or(0); }
  const AddressRange* RegionOf(uint64_t address) const;
  bool IsEndOfMapping(uint64_t address) const;
  bool IsLibcWord(uint64_t word) const;
  bool InThreadCache(uint64_t address) const;
  void FindThreadCaches() const;
  void AddThreadCache(uint64_t pointer) const;
  bool IsFreeChunk(const AddressRange& region, uint64_t chunk, uint64_t address) const;
  bool InBin(const AddressRange& region, uint64_t address) const;
  bool InLargeBin(const AddressRange& region, uint64_t address) const;
  bool InFastBin(const AddressRange& region, uint64_t address) const;
  bool AboveTop(const AddressRange& region, uint64_t address) const;
  // Calls `look` with each word that may be the allocator's own pointer into `region`, until it
  // returns true.
  bool AnyArenaWord(const AddressRange& region, const std::function<bool(uint64_t)>& look) const;
  void FindArenaWords() const;

  WordAt word_at_;
  std::vector<AddressRange> mappings_;
  std::vector<AddressRange> regions_;
  std::vector<uint64_t> libc_words_;
  std::vector<uint64_t> thread_words_;
  // Found when it is first asked for them, in order: chunks in the threads' caches, and what may be
  // the arenas' pointers.
  mutable std::optional<std::vector<AddressRange>> cached_;
  mutable std::optional<std::vector<uint64_t>> arena_words_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_MALLOC_BLOCKS_H_
