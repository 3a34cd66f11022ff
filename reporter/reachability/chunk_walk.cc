// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/chunk_walk.h"

#include <cstddef>
#include <cstring>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kAlignment = 16;
constexpr uint64_t kHeader = 16;  // from the begin of a chunk to what malloc returns
constexpr uint64_t kMinChunk = 32;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kWindow = 64 << 10;  // read at a time

// Flags in the lowest bits of a chunk's size.
constexpr uint64_t kPreviousInUse = 1;
constexpr uint64_t kMapped = 2;
constexpr uint64_t kFlags = 7;

// Where the first chunk may lie from the begin of a heap. Of the first thread's, and of a block
// with a mapping of its own, at its begin. Of another thread's behind heap_info, 32 bytes, and 48
// since glibc 2.35; in its first heap, behind malloc_state, too, 2,200 bytes since 2.26.
constexpr uint64_t kFirstChunks[] = {0, 32, 48, 32 + 2'208, 48 + 2'208};

class Words {
 public:
  explicit Words(const ReadMemory& read) : read_(read), bytes_(kWindow) {}

  std::optional<uint64_t> At(uint64_t address) {
    if (address < begin_ || address + 8 > begin_ + size_) {
      begin_ = address / kPage * kPage;
      size_ = read_(begin_, bytes_.data(), bytes_.size());
    }
    if (address + 8 > begin_ + size_) return std::nullopt;
    uint64_t word;
    std::memcpy(&word, bytes_.data() + (address - begin_), sizeof(word));
    return word;
  }

 private:
  const ReadMemory& read_;
  std::vector<uint8_t> bytes_;
  uint64_t begin_ = 0;
  uint64_t size_ = 0;
};

struct Chunk {
  uint64_t begin = 0;
  uint64_t size = 0;
  bool in_use = false;
};

// No value: there is no sound chunk.
std::optional<Chunk> ChunkAt(uint64_t begin, const AddressRange& heap, Words* words) {
  const auto head = words->At(begin + 8);
  if (!head) return std::nullopt;
  const uint64_t size = *head & ~kFlags;
  if (size < kMinChunk || size % kAlignment != 0 || size > heap.end - begin) return std::nullopt;
  if ((*head & kMapped) != 0) {
    if (begin % kPage != 0 || size % kPage != 0) return std::nullopt;
    return Chunk{begin, size, true};
  }
  const uint64_t next = begin + size;
  if (next + kHeader > heap.end) return Chunk{begin, size, false};  // the top, which is free
  const auto next_head = words->At(next + 8);
  if (!next_head) return std::nullopt;
  const bool in_use = (*next_head & kPreviousInUse) != 0;
  if (!in_use && words->At(next) != size) return std::nullopt;
  return Chunk{begin, size, in_use};
}

// How many of the addresses the chain that begins at `begin` has come past.
size_t Walk(uint64_t begin, const std::vector<uint64_t>& addresses, const AddressRange& heap,
            const ReadMemory& read, std::vector<std::optional<AddressRange>>* blocks) {
  Words words(read);
  size_t next = 0;
  while (next < addresses.size()) {
    const auto chunk = ChunkAt(begin, heap, &words);
    if (!chunk) return next;
    const uint64_t end = chunk->begin + chunk->size;
    // The first word of the next chunk belongs to this one as long as it is in use.
    const AddressRange memory = {chunk->begin + kHeader, end + 8};
    for (; next < addresses.size() && addresses[next] < end + 8; ++next) {
      if (chunk->in_use && memory.Contains(addresses[next])) (*blocks)[next] = memory;
    }
    begin = end;
    if (begin >= heap.end) return next;
  }
  return next;
}

}  // namespace

std::vector<std::optional<AddressRange>> BlocksWith(const std::vector<uint64_t>& addresses,
                                                    const AddressRange& heap,
                                                    const ReadMemory& read) {
  std::vector<std::optional<AddressRange>> best(addresses.size());
  size_t furthest = 0;
  for (const uint64_t first : kFirstChunks) {
    if (furthest == addresses.size() || first >= heap.size()) break;
    std::vector<std::optional<AddressRange>> blocks(addresses.size());
    const size_t passed = Walk(heap.begin + first, addresses, heap, read, &blocks);
    if (passed <= furthest) continue;
    furthest = passed;
    best = std::move(blocks);
  }
  return best;
}

}  // namespace pqleash::reporter
