// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/memory_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "reporter/reachability/page_presence.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kSize = uint64_t{64} << 30;

// Much more than there is memory, of which three pages were touched.
class VastMapping : public ::testing::Test {
 protected:
  void SetUp() override {
    void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) GTEST_SKIP() << "so much address space cannot be had";
    // A huge page would make its neighbours.
    madvise(memory, kSize, MADV_NOHUGEPAGE);
    range_ = {reinterpret_cast<uint64_t>(memory), reinterpret_cast<uint64_t>(memory) + kSize};
    for (const uint64_t page : Touched()) *reinterpret_cast<volatile char*>(page) = 1;
  }
  void TearDown() override {
    if (range_.size() != 0) munmap(reinterpret_cast<void*>(range_.begin), range_.size());
  }

  std::vector<uint64_t> Touched() const {
    return {range_.begin, range_.begin + kSize / 2, range_.end - kPage};
  }

  AddressRange range_;
};

TEST_F(VastMapping, ThePagesThatAreThereAreFound) {
  const PagePresence presence(getpid());
  ASSERT_TRUE(presence.known());
  std::vector<uint64_t> found;
  uint64_t before = range_.begin;
  for (AddressRange left = range_; left.begin < left.end;) {
    const PagePresence::Step step = presence.From(left);
    ASSERT_GT(step.walked, before) << "no step forward";
    for (const AddressRange& run : step.runs) {
      EXPECT_EQ(run.size(), kPage);
      found.push_back(run.begin);
    }
    before = left.begin = step.walked;
  }
  EXPECT_EQ(found, Touched());
  EXPECT_TRUE(presence.Has(range_.begin + 17));
  EXPECT_FALSE(presence.Has(range_.begin + kPage));
}

TEST_F(VastMapping, WhatIsNotThereIsCountedAndNotRead) {
  MemoryReader reader(getpid());
  std::vector<uint64_t> read;
  EXPECT_TRUE(reader.ForEachPiece(range_, [&](uint64_t address, const uint8_t*, size_t size) {
    if (size != 0) read.push_back(address);
    return true;
  }));
  EXPECT_EQ(read, Touched());
  EXPECT_EQ(reader.bytes_read(), 3 * kPage);
  EXPECT_EQ(reader.bytes_passed_over(), kSize - 3 * kPage);
  EXPECT_EQ(reader.PresentBytes({range_}), 3 * kPage);
}

// A search that is out of time ends, however much nothing there is left.
TEST_F(VastMapping, AReaderThatWantsNoMoreIsAskedBetweenThePieces) {
  MemoryReader reader(getpid());
  uint64_t calls = 0;
  EXPECT_FALSE(reader.ForEachPiece({range_.begin + kPage, range_.end},
                                   [&](uint64_t, const uint8_t*, size_t size) {
                                     ++calls;
                                     return size != 0;
                                   }));
  EXPECT_LE(calls, 3u);
}

}  // namespace
}  // namespace pqleash::reporter
