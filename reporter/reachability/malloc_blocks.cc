// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/malloc_blocks.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kAlignment = 16;
constexpr uint64_t kHeader = 16;  // from the begin of a chunk to what malloc returns
constexpr uint64_t kMinChunk = 32;
constexpr uint64_t kPage = 4096;

// Flags in the lowest bits of a chunk's size.
constexpr uint64_t kPreviousInUse = 1;
constexpr uint64_t kMapped = 2;
constexpr uint64_t kFlags = 7;

constexpr uint64_t kMaxFastChunk = 128;      // global_max_fast
constexpr uint64_t kMaxLookBack = 64 << 10;  // for the head of a chunk in a bin
constexpr uint64_t kMaxChain = 1'000;
constexpr uint64_t kArenaSize = 2'200;              // struct malloc_state, with room for change
constexpr uint64_t kNoAddress = uint64_t{1} << 48;  // at and above: no pointer

uint64_t SizeOf(uint64_t head) { return head & ~kFlags; }

}  // namespace

MallocBlocks::MallocBlocks(WordAt word_at, std::vector<AddressRange> regions,
                           std::vector<uint64_t> libc_words, std::vector<uint64_t> thread_words)
    : word_at_(std::move(word_at)),
      mappings_(std::move(regions)),
      regions_(Merged(mappings_)),
      libc_words_(std::move(libc_words)),
      thread_words_(std::move(thread_words)) {}

const AddressRange* MallocBlocks::RegionOf(uint64_t address) const {
  const size_t index = IndexAt(regions_, address, [](const AddressRange& range) { return range; });
  return index < regions_.size() ? &regions_[index] : nullptr;
}

bool MallocBlocks::IsEndOfMapping(uint64_t address) const {
  const size_t index =
      IndexAt(mappings_, address - 1, [](const AddressRange& range) { return range; });
  return index < mappings_.size() && mappings_[index].end == address;
}

bool MallocBlocks::IsLibcWord(uint64_t word) const {
  return std::binary_search(libc_words_.begin(), libc_words_.end(), word);
}

std::optional<AddressRange> MallocBlocks::BlockAt(uint64_t pointer) const {
  const AddressRange* region = RegionOf(pointer);
  if (pointer % kAlignment != 0 || region == nullptr || pointer < region->begin + kHeader) {
    return std::nullopt;
  }
  const uint64_t chunk = pointer - kHeader;
  const uint64_t head = Word(pointer - 8);
  const uint64_t size = SizeOf(head);
  if (size < kMinChunk || size % kAlignment != 0 || size > region->end - chunk) return std::nullopt;
  if ((head & kMapped) != 0) {
    if (chunk % kPage != 0 || size % kPage != 0 || Word(chunk) != 0) return std::nullopt;
    return AddressRange{pointer, chunk + size};
  }
  const uint64_t next = chunk + size;
  if (next + kHeader > region->end) return std::nullopt;
  const uint64_t next_head = Word(next + 8);
  if ((next_head & kPreviousInUse) == 0 || SizeOf(next_head) < kHeader ||
      SizeOf(next_head) % kAlignment != 0 || SizeOf(next_head) > region->end - next) {
    return std::nullopt;
  }
  // One that is kept for a thread is marked as in use.
  if (InThreadCache(pointer)) return std::nullopt;
  // The first word of the next chunk belongs to this one as long as it is in use.
  return AddressRange{pointer, next + 8};
}

bool MallocBlocks::IsFree(uint64_t address) const {
  const AddressRange* region = RegionOf(address);
  if (region == nullptr) return false;
  return AboveTop(*region, address) || InThreadCache(address) || InFastBin(*region, address) ||
         InBin(*region, address) || InLargeBin(*region, address);
}

// Of these two kinds, as of blocks in use, the next chunk's first word is the last one.

bool MallocBlocks::InThreadCache(uint64_t address) const {
  if (!cached_) FindThreadCaches();
  return IndexAt(*cached_, address, [](const AddressRange& range) { return range; }) <
         cached_->size();
}

// A thread allocates its cache (struct tcache_perthread_struct) before anything else, and keeps its
// address in libc's part of its storage. The first cache of an arena is its first block.
void MallocBlocks::FindThreadCaches() const {
  cached_.emplace();
  for (const uint64_t word : thread_words_) AddThreadCache(word);
  for (const AddressRange& mapping : mappings_) {
    const uint64_t end = std::min(mapping.end, mapping.begin + kArenaSize + kHeader);
    for (uint64_t pointer = mapping.begin + kHeader; pointer < end; pointer += kAlignment) {
      AddThreadCache(pointer);
    }
  }
  *cached_ = Merged(*std::move(cached_));
}

// Lists of one direction, one for each size, whose links are mixed with their own address
// (PROTECT_PTR). The second word of a chunk in one is a random number, the same for the whole
// process (glibc 2.34 and later), and is cleared when the chunk is handed out again (tcache_put,
// tcache_get).
void MallocBlocks::AddThreadCache(uint64_t pointer) const {
  struct Kind {
    uint64_t chunk;    // size of the cache itself
    uint64_t entries;  // offset of the lists' heads
  };
  constexpr Kind kKinds[] = {{0x290, 128},   // 2.30 and later
                             {0x300, 152}};  // 2.42 and later
  constexpr uint64_t kLists = 64;
  if (pointer % kAlignment != 0 || RegionOf(pointer) == nullptr) return;
  const uint64_t size = SizeOf(Word(pointer - 8));
  const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const Kind& each) { return each.chunk == size; });
  if (kind == std::end(kKinds)) return;
  for (uint64_t list = 0; list < kLists; ++list) {
    const uint64_t chunk_size = kMinChunk + list * kAlignment;
    uint64_t entry = Word(pointer + kind->entries + list * 8);
    for (uint64_t length = 0; length < kMaxChain && entry != 0; ++length) {
      const uint64_t key = Word(entry + 8);
      if (entry % kAlignment != 0 || RegionOf(entry) == nullptr ||
          SizeOf(Word(entry - 8)) != chunk_size || key < kNoAddress || !IsLibcWord(key)) {
        break;
      }
      cached_->push_back({entry, entry - kHeader + chunk_size + 8});
      entry = Word(entry) ^ (entry >> 12);
    }
  }
}

// Whether `chunk` is one in a bin, and contains `address`: a free chunk is in a list of both
// directions, and its size stands behind it.
bool MallocBlocks::IsFreeChunk(const AddressRange& region, uint64_t chunk, uint64_t address) const {
  const uint64_t size = SizeOf(Word(chunk + 8));
  const uint64_t next = chunk + size;
  if (size < kMinChunk || size % kAlignment != 0 || size > region.end - chunk ||
      address < chunk + kHeader || next <= address || next + kHeader > region.end) {
    return false;
  }
  if (Word(next) != size || (Word(next + 8) & kPreviousInUse) != 0) return false;
  const uint64_t forward = Word(chunk + kHeader);
  const uint64_t back = Word(chunk + kHeader + 8);
  return Word(forward + kHeader + 8) == chunk && Word(back + kHeader) == chunk;
}

bool MallocBlocks::InBin(const AddressRange& region, uint64_t address) const {
  const uint64_t last = address / kAlignment * kAlignment;
  const uint64_t first =
      std::max(region.begin + kHeader, last > kMaxLookBack ? last - kMaxLookBack : 0);
  for (uint64_t pointer = last; pointer >= first; pointer -= kAlignment) {
    if (!word_at_(pointer - 8)) return false;
    if (IsFreeChunk(region, pointer - kHeader, address)) return true;
  }
  return false;
}

// The same for chunks whose head lies farther away: from the arena's lists.
bool MallocBlocks::InLargeBin(const AddressRange& region, uint64_t address) const {
  return AnyArenaWord(region, [&](uint64_t chunk) {
    for (uint64_t length = 0; length < kMaxChain; ++length) {
      if (chunk % kAlignment != 0 || !region.Contains(chunk)) return false;
      if (IsFreeChunk(region, chunk, address)) return true;
      chunk = Word(chunk + kHeader);
    }
    return false;
  });
}

bool MallocBlocks::AnyArenaWord(const AddressRange& region,
                                const std::function<bool(uint64_t)>& look) const {
  if (!arena_words_) FindArenaWords();
  const auto begin = std::lower_bound(arena_words_->begin(), arena_words_->end(), region.begin);
  const auto end = std::lower_bound(begin, arena_words_->end(), region.end);
  return std::any_of(begin, end, look);
}

// The main arena is among libc's data, that of a thread at the begin of its own heap.
void MallocBlocks::FindArenaWords() const {
  arena_words_ = libc_words_;
  for (const AddressRange& mapping : mappings_) {
    const uint64_t end = std::min(mapping.end, mapping.begin + kArenaSize);
    for (uint64_t address = mapping.begin; address + 8 <= end; address += 8) {
      const uint64_t word = Word(address);
      if (RegionOf(word) != nullptr) arena_words_->push_back(word);
    }
  }
  std::sort(arena_words_->begin(), arena_words_->end());
  arena_words_->erase(std::unique(arena_words_->begin(), arena_words_->end()), arena_words_->end());
}

// The arena's last chunk goes to the end of the heap, which is the end of a mapping, and what is in
// it is nobody's.
bool MallocBlocks::AboveTop(const AddressRange& region, uint64_t address) const {
  return AnyArenaWord(region, [&](uint64_t chunk) {
    if (chunk % kAlignment != 0 || chunk + kHeader > address) return false;
    const uint64_t head = Word(chunk + 8);
    return (head & kFlags & ~uint64_t{4}) == kPreviousInUse && SizeOf(head) >= kMinChunk &&
           address < chunk + SizeOf(head) && IsEndOfMapping(chunk + SizeOf(head));
  });
}

// Small chunks in a list of one direction, whose links are mixed with their own address
// (PROTECT_PTR). A list is taken for one only if every chunk has the same size and its end is the
// right one.
bool MallocBlocks::InFastBin(const AddressRange& region, uint64_t address) const {
  return AnyArenaWord(region, [&](uint64_t first) {
    const uint64_t size = SizeOf(Word(first + 8));
    if (size < kMinChunk || size > kMaxFastChunk || size % kAlignment != 0) return false;
    bool contains = false;
    uint64_t chunk = first;
    for (uint64_t length = 0; length < kMaxChain; ++length) {
      if (chunk % kAlignment != 0 || !region.Contains(chunk) || SizeOf(Word(chunk + 8)) != size) {
        return false;
      }
      contains |= chunk + kHeader <= address && address < chunk + size + 8;
      const uint64_t link = chunk + kHeader;
      const auto mixed = word_at_(link);
      if (!mixed) return false;
      chunk = *mixed ^ (link >> 12);
      if (chunk == 0) return contains;
    }
    return false;
  });
}

}  // namespace pqleash::reporter
