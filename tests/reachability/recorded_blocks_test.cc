// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/recorded_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "tests/reachability/heap.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// As long as three words, as what libpq 17 leaves a stale word in.
using Small = std::array<const void*, 3>;
using Conn = std::array<const void*, 20>;

void Function() {}

class RecordedBlocksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (PQLEASH_OTHER_ALLOCATOR != 0) GTEST_SKIP() << "a sanitizer has its own allocator";
  }

  RecordedBlocks Record(std::vector<const Conn*> conns) {
    // To look at one's own heap would change it.
    copy_ = std::make_unique<Copy>();
    heap_ = std::make_unique<Heap>(copy_->pid());
    const MallocBlocks blocks = heap_->Look();
    std::sort(conns.begin(), conns.end());
    std::vector<RecordedBlocks::Root> roots;
    for (const Conn* conn : conns) roots.push_back({*blocks.BlockAt(AddressOf(conn)), true});
    return {roots, blocks, heap_->WordAt(),
            [](uint64_t address) { return address == reinterpret_cast<uint64_t>(&Function); }};
  }

  static std::vector<uint64_t> Begins(const RecordedBlocks::Leading& leading) {
    std::vector<uint64_t> begins;
    for (const AddressRange& block : leading.blocks) begins.push_back(block.begin);
    return begins;
  }

  // Two connections, each with an object that points back.
  std::unique_ptr<Conn> first_ = std::make_unique<Conn>();
  std::unique_ptr<Small> first_ssl_ = std::make_unique<Small>();
  std::unique_ptr<Conn> next_ = std::make_unique<Conn>();
  std::unique_ptr<Small> next_ssl_ = std::make_unique<Small>();
  std::unique_ptr<Small> small_ = std::make_unique<Small>();
  std::unique_ptr<Small> unrelated_ = std::make_unique<Small>();
  std::unique_ptr<Copy> copy_;
  std::unique_ptr<Heap> heap_;
};

// next → next's SSL → small → first's SSL → first
TEST_F(RecordedBlocksTest, AStaleWordOfTheNextConnectionIsFollowed) {
  (*first_)[5] = first_ssl_.get();
  (*first_ssl_)[1] = first_.get();
  (*next_)[5] = next_ssl_.get();
  (*next_ssl_)[0] = small_.get();
  (*next_ssl_)[1] = next_.get();
  (*small_)[2] = first_ssl_.get();
  (*unrelated_)[0] = first_ssl_.get();
  const RecordedBlocks recorded = Record({first_.get(), next_.get()});
  EXPECT_TRUE(recorded.Contains(AddressOf(&(*small_)[2])));
  EXPECT_FALSE(recorded.Contains(AddressOf(&(*unrelated_)[0])));
  EXPECT_FALSE(recorded.Contains(AddressOf(first_.get())));
  const RecordedBlocks::Leading leading = recorded.LeadingTo({AddressOf(first_ssl_.get())});
  std::vector<uint64_t> expected = {AddressOf(first_ssl_.get()), AddressOf(next_ssl_.get()),
                                    AddressOf(small_.get())};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(Begins(leading), expected);
  EXPECT_THAT(leading.roots, ElementsAre(0, 1));
  EXPECT_THAT(Begins(recorded.LeadingTo({AddressOf(unrelated_.get())})), IsEmpty());
}

TEST_F(RecordedBlocksTest, AnArgumentOfACallbackIsTheProgramsOwn) {
  (*next_)[3] = reinterpret_cast<const void*>(&Function);
  (*next_)[4] = small_.get();
  (*next_)[5] = unrelated_.get();
  (*next_)[6] = next_ssl_.get();
  (*small_)[0] = first_.get();
  const RecordedBlocks recorded = Record({first_.get(), next_.get()});
  EXPECT_FALSE(recorded.Contains(AddressOf(small_.get())));
  EXPECT_FALSE(recorded.Contains(AddressOf(unrelated_.get())));
  EXPECT_TRUE(recorded.Contains(AddressOf(next_ssl_.get())));
  EXPECT_FALSE(recorded.OwnerOfWord(AddressOf(&(*next_)[4])));
  EXPECT_FALSE(recorded.OwnerOfWord(AddressOf(&(*next_)[5])));
  EXPECT_FALSE(recorded.OwnerOfWord(AddressOf(&(*next_)[6]) + 1));
  EXPECT_FALSE(recorded.OwnerOfWord(AddressOf(small_.get())));
  EXPECT_EQ(recorded.OwnerOfWord(AddressOf(&(*next_)[6])), size_t{next_ > first_});
}

// What the program has hung onto a connection with another one's address is reached by way of that
// connection alone: a PGconn is where a way begins, and none leads through it.
TEST_F(RecordedBlocksTest, WhatAConnectionItselfLeadsToIsLibpqs) {
  (*next_)[3] = reinterpret_cast<const void*>(&Function);
  (*next_)[4] = small_.get();
  (*next_)[6] = next_ssl_.get();
  (*next_ssl_)[0] = unrelated_.get();
  const RecordedBlocks recorded = Record({first_.get(), next_.get()});
  const size_t next = first_ < next_ ? 1 : 0;
  EXPECT_EQ(recorded.OwnerOfBlock(AddressOf(&(*next_ssl_)[1])), next);
  EXPECT_FALSE(recorded.OwnerOfBlock(AddressOf(unrelated_.get())));
  EXPECT_FALSE(recorded.OwnerOfBlock(AddressOf(small_.get())));
  EXPECT_FALSE(recorded.OwnerOfBlock(AddressOf(next_.get())));
}

// malloc gives more than is asked for: what is behind the PGconn was left there by others.
TEST_F(RecordedBlocksTest, WhatIsBehindAConnectionSaysNothingForCertain) {
  const size_t words = malloc_usable_size(next_.get()) / sizeof(void*);
  ASSERT_GT(words, next_->size());
  for (size_t from_end = 1; from_end <= 4; ++from_end) {
    const size_t word = words - from_end;
    std::memcpy(reinterpret_cast<char*>(next_.get()) + word * sizeof(void*), &small_,
                sizeof(void*));
    const RecordedBlocks recorded = Record({first_.get(), next_.get()});
    EXPECT_TRUE(recorded.Contains(AddressOf(small_.get()))) << from_end;
    EXPECT_EQ(recorded.OwnerOfBlock(AddressOf(small_.get())).has_value(), from_end == 4)
        << from_end;
    std::memset(reinterpret_cast<char*>(next_.get()) + word * sizeof(void*), 0, sizeof(void*));
  }
}

TEST_F(RecordedBlocksTest, NoWayLeadsThroughAConnection) {
  (*first_)[5] = next_.get();
  (*next_)[6] = small_.get();
  const RecordedBlocks recorded = Record({first_.get(), next_.get()});
  EXPECT_FALSE(recorded.Contains(AddressOf(next_.get())));
  EXPECT_THAT(Begins(recorded.LeadingTo({AddressOf(small_.get())})),
              ElementsAre(AddressOf(small_.get())));
}

}  // namespace
}  // namespace pqleash::reporter
