// SPDX-License-Identifier: Apache-2.0
//
// On copies of this process, so that the answers are of the allocator that programs use.

#include "reporter/reachability/malloc_blocks.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "reporter/reachability/own_objects.h"
#include "tests/reachability/heap.h"

namespace pqleash::reporter {
namespace {

class OwnHeap : public ::testing::Test {
 protected:
  void SetUp() override {
    if (PQLEASH_OTHER_ALLOCATOR != 0) GTEST_SKIP() << "a sanitizer has its own allocator";
  }
};

constexpr size_t kSizes[] = {1, 24, 25, 40, 100, 1'000, 1'032, 1'033, 5'000, 100'000};

TEST_F(OwnHeap, KnowsTheBlocksThatAreInUse) {
  std::vector<void*> taken;
  for (const size_t size : kSizes) taken.push_back(malloc(size));
  const Copy copy;
  Heap heap(copy.pid());
  const MallocBlocks blocks = heap.Look();
  for (size_t i = 0; i < taken.size(); ++i) {
    const size_t size = kSizes[i];
    const uint64_t begin = AddressOf(taken[i]);
    const auto found = blocks.BlockAt(begin);
    ASSERT_TRUE(found) << size;
    EXPECT_EQ(found->begin, begin) << size;
    EXPECT_EQ(found->size(), malloc_usable_size(taken[i])) << size;
    EXPECT_FALSE(blocks.BlockAt(begin + 8)) << size;
    EXPECT_FALSE(blocks.IsFree(begin)) << size;
    EXPECT_FALSE(blocks.IsFree(begin + (size - 1) / 8 * 8)) << size;
  }
  for (void* block : taken) free(block);
}

// A cache leaves its marks in its chunks when its thread ends, and the allocator hands them out so.
TEST_F(OwnHeap, MemoryThatWasHandedOutAgainIsNotFree) {
  const Copy copy([] {
    mallopt(M_ARENA_MAX, 1);
    constexpr size_t kSize = 1'000;
    std::thread([] {
      void* blocks[7];
      for (void*& block : blocks) block = malloc(kSize);
      for (void* block : blocks) free(block);
    }).join();
    std::vector<uint64_t> addresses;
    const uint64_t again = AddressOf(malloc(6'000));
    for (uint64_t at = again; at + 8 <= again + 6'000; at += 8) addresses.push_back(at);
    return addresses;
  });
  ASSERT_FALSE(copy.addresses().empty());
  Heap heap(copy.pid());
  const MallocBlocks blocks = heap.Look();
  for (const uint64_t address : copy.addresses()) {
    ASSERT_FALSE(blocks.IsFree(address)) << address - copy.addresses().front();
  }
}

// Words from the third on: the first two are the allocator's own.
TEST_F(OwnHeap, KnowsTheMemoryThatWasFreed) {
  for (const size_t size : kSizes) {
    if (size < 24) continue;
    const Copy copy([size] {
      const std::vector<void*> blocks = {malloc(24), malloc(size), malloc(24)};
      const uint64_t begin = AddressOf(blocks[1]);
      std::vector<uint64_t> addresses = {begin + 16, begin + malloc_usable_size(blocks[1]) - 8,
                                         AddressOf(blocks[0]), AddressOf(blocks[2]) + 8};
      free(blocks[1]);
      return addresses;
    });
    Heap heap(copy.pid());
    const MallocBlocks blocks = heap.Look();
    EXPECT_TRUE(blocks.IsFree(copy.addresses()[0])) << size;
    EXPECT_FALSE(blocks.BlockAt(copy.addresses()[0] - 16)) << size;
    // Of a larger one the last word is its size.
    if (size < 1'033) {
      EXPECT_TRUE(blocks.IsFree(copy.addresses()[1])) << size;
    }
    EXPECT_FALSE(blocks.IsFree(copy.addresses()[2])) << size;
    EXPECT_FALSE(blocks.IsFree(copy.addresses()[3])) << size;
  }
}

TEST_F(OwnHeap, KnowsMoreThanAThreadKeeps) {
  const Copy copy([] {
    std::vector<void*> blocks;
    blocks.reserve(30);
    for (int i = 0; i < 30; ++i) blocks.push_back(malloc(40));
    std::vector<uint64_t> addresses;
    addresses.reserve(30);
    for (const void* block : blocks) addresses.push_back(AddressOf(block) + 16);
    for (size_t i = 1; i < blocks.size(); ++i) free(blocks[i]);
    return addresses;
  });
  Heap heap(copy.pid());
  const MallocBlocks blocks = heap.Look();
  for (size_t i = 0; i < copy.addresses().size(); ++i) {
    EXPECT_EQ(blocks.IsFree(copy.addresses()[i]), i != 0) << i;
  }
}

// The kernel lists what a forked process adds to its heap as a mapping of its own.
TEST_F(OwnHeap, IsOneInAForkedProcessAlthoughTheKernelListsTwo) {
  constexpr size_t kAround = 15;
  constexpr size_t kSize = 40;
  const Copy copy([] {
    const uint64_t border = AddressOf(sbrk(0));
    std::vector<void*> blocks;
    blocks.reserve(20'000);
    const auto add = [&] { blocks.push_back(malloc(kSize)); };
    while (blocks.empty() || AddressOf(blocks.back()) < border) add();
    for (size_t i = 0; i < kAround; ++i) add();
    std::vector<uint64_t> addresses;
    for (size_t i = blocks.size() - 2 * kAround; i < blocks.size(); ++i) {
      addresses.push_back(AddressOf(blocks[i]));
      if (i % 2 == 0) free(blocks[i]);
    }
    return addresses;
  });
  ASSERT_EQ(copy.addresses().size(), 2 * kAround);
  Heap heap(copy.pid());
  const MallocBlocks blocks = heap.Look();
  size_t free_ones = 0;
  for (const uint64_t address : copy.addresses()) {
    if (blocks.IsFree(address + 16)) {
      ++free_ones;
      continue;
    }
    const auto found = blocks.BlockAt(address);
    ASSERT_TRUE(found) << address;
    EXPECT_EQ(found->size(), kSize) << address;
  }
  EXPECT_EQ(free_ones, kAround);
}

struct Object {
  Object* next = nullptr;
  Object* conn = nullptr;
  char rest[100] = {};
};

// conn → first → second → conn, and beside them one that conn does not lead to.
TEST_F(OwnHeap, FollowsAConnectionsOwnObjects) {
  auto conn = std::make_unique<Object>();
  auto first = std::make_unique<Object>();
  auto second = std::make_unique<Object>();
  auto other = std::make_unique<Object>();
  conn->next = first.get();
  first->next = second.get();
  second->conn = conn.get();
  other->conn = conn.get();
  const Copy copy;
  Heap heap(copy.pid());
  const MallocBlocks blocks = heap.Look();
  const auto word_at = heap.WordAt();
  const auto block = blocks.BlockAt(AddressOf(conn.get()));
  ASSERT_TRUE(block);
  const OwnObjects objects = FollowPointers(*block, blocks, word_at);
  EXPECT_TRUE(objects.Contains(AddressOf(&first->next)));
  EXPECT_TRUE(objects.Contains(AddressOf(&second->conn)));
  EXPECT_FALSE(objects.Contains(AddressOf(&other->conn)));
  EXPECT_FALSE(objects.Contains(AddressOf(conn.get())));
  const auto leading = LeadingTo({AddressOf(&second->conn)}, objects, word_at);
  std::vector<uint64_t> begins;
  for (const AddressRange& range : leading) begins.push_back(range.begin);
  std::vector<uint64_t> expected = {AddressOf(first.get()), AddressOf(second.get())};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(begins, expected);
}

TEST(MallocBlocks, AnswersNoWhereNothingCanBeRead) {
  const MallocBlocks blocks([](uint64_t) { return std::nullopt; }, {{0x1000, 0x100000}}, {});
  for (const uint64_t address : {0x0ul, 0x1000ul, 0x1010ul, 0x2000ul, 0xffff8ul, 0x100000ul}) {
    EXPECT_FALSE(blocks.BlockAt(address)) << address;
    EXPECT_FALSE(blocks.IsFree(address)) << address;
  }
}

// Whatever the words are, the answer comes, and is about memory that may hold blocks.
TEST(MallocBlocks, StandsAnyWords) {
  for (const uint64_t word : {uint64_t{0}, uint64_t{0x21}, uint64_t{0x31}, uint64_t{0x1010},
                              uint64_t{0xfffffffffffffff1}, UINT64_MAX}) {
    const MallocBlocks blocks([word](uint64_t) { return std::optional(word); }, {{0x1000, 0x3000}},
                              {word, 0x1010, 0x2000});
    for (uint64_t address = 0xf00; address < 0x3100; address += 8) {
      const auto block = blocks.BlockAt(address);
      if (block) {
        EXPECT_LE(block->end, 0x3000u);
      }
      blocks.IsFree(address);
    }
  }
}

}  // namespace
}  // namespace pqleash::reporter
