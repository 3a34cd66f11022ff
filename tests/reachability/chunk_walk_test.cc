// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/chunk_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Optional;

constexpr uint64_t kBegin = 0x10000;

// Memory with chunks as malloc lays them out.
class ChunkWalk : public ::testing::Test {
 protected:
  void Put(uint64_t address, uint64_t word) {
    std::memcpy(bytes_.data() + (address - kBegin), &word, sizeof(word));
  }

  // Appends one, and returns what malloc would.
  uint64_t Add(uint64_t size, bool in_use = true) {
    const uint64_t chunk = next_;
    Put(chunk + 8, size | (previous_in_use_ ? 1 : 0));
    next_ += size;
    Put(next_, in_use ? 0 : size);
    Put(next_ + 8, 1);
    previous_in_use_ = in_use;
    return chunk + 16;
  }

  void End() { Put(next_ + 8, (heap_.end - next_) | (previous_in_use_ ? 1 : 0)); }

  std::vector<std::optional<AddressRange>> Blocks(const std::vector<uint64_t>& addresses) const {
    return BlocksWith(addresses, heap_, [this](uint64_t address, void* to, size_t size) {
      if (address < kBegin || address >= heap_.end) return size_t{0};
      const size_t count = std::min<size_t>(size, heap_.end - address);
      std::memcpy(to, bytes_.data() + (address - kBegin), count);
      return count;
    });
  }

  const AddressRange heap_ = {kBegin, kBegin + 0x40000};
  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(heap_.size());
  uint64_t next_ = kBegin;
  bool previous_in_use_ = true;
};

TEST_F(ChunkWalk, FindsTheBlockOfEachAddress) {
  const uint64_t a = Add(0x290);
  const uint64_t b = Add(0x20);
  const uint64_t c = Add(0x20'010);
  End();
  EXPECT_THAT(
      Blocks({a, a + 8, b + 16, c + 0x1fff8}),
      ElementsAre(Optional(Eq(AddressRange{a, a + 0x288})),
                  Optional(Eq(AddressRange{a, a + 0x288})), Optional(Eq(AddressRange{b, b + 0x18})),
                  Optional(Eq(AddressRange{c, c + 0x20'008}))));
}

TEST_F(ChunkWalk, FreedMemoryIsNoBlock) {
  Add(0x40);
  const uint64_t freed = Add(0x100, false);
  const uint64_t after = Add(0x30);
  End();
  EXPECT_THAT(
      Blocks({freed + 32, after, next_ + 64}),
      ElementsAre(std::nullopt, Optional(Eq(AddressRange{after, after + 0x28})), std::nullopt));
}

TEST_F(ChunkWalk, KnowsTheHeapOfAnotherThread) {
  for (const uint64_t head : {uint64_t{32}, uint64_t{48}, uint64_t{48 + 2'208}}) {
    std::fill(bytes_.begin(), bytes_.end(), 0);
    next_ = kBegin + head;
    previous_in_use_ = true;
    const uint64_t block = Add(0x80);
    End();
    EXPECT_THAT(Blocks({block + 8}), ElementsAre(Optional(Eq(AddressRange{block, block + 0x78}))))
        << head;
  }
}

TEST_F(ChunkWalk, ABrokenChainTellsNothingOfWhatLiesBehind) {
  const uint64_t first = Add(0x40);
  const uint64_t second = Add(0x40);
  const uint64_t third = Add(0x40);
  End();
  Put(second - 8, 0x13);
  EXPECT_THAT(
      Blocks({first, second, third}),
      ElementsAre(Optional(Eq(AddressRange{first, first + 0x38})), std::nullopt, std::nullopt));
}

TEST_F(ChunkWalk, OtherMemoryHasNoBlocks) {
  EXPECT_THAT(Blocks({kBegin + 64}), ElementsAre(std::nullopt));
  std::fill(bytes_.begin(), bytes_.end(), 0x5a);
  EXPECT_THAT(Blocks({kBegin + 64, kBegin + 0x20000}), ElementsAre(std::nullopt, std::nullopt));
}

}  // namespace
}  // namespace pqleash::reporter
