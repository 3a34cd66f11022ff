// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/address_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace pqleash::reporter {
namespace {

// What the filter must find, word by word.
std::vector<uint64_t> OffsetsByHand(const std::vector<uint8_t>& data, size_t size,
                                    const std::vector<AddressRange>& targets) {
  std::vector<uint64_t> offsets;
  for (size_t offset = 0; offset + 8 <= size; ++offset) {
    uint64_t word = 0;
    std::memcpy(&word, data.data() + offset, sizeof word);
    word &= (uint64_t{1} << 48) - 1;
    if (std::any_of(targets.begin(), targets.end(),
                    [&](const AddressRange& target) { return target.Contains(word); })) {
      offsets.push_back(offset);
    }
  }
  return offsets;
}

std::vector<uint64_t> Offsets(const AddressFilter& filter, const std::vector<uint8_t>& data,
                              size_t size) {
  std::vector<Sighting> sightings;
  filter.Find(data.data(), size, &sightings);
  std::vector<uint64_t> offsets;
  for (const Sighting& sighting : sightings) {
    EXPECT_TRUE(filter.targets()[sighting.target].Contains(sighting.address));
    offsets.push_back(sighting.offset);
  }
  return offsets;
}

struct Targets {
  const char* name;
  std::vector<AddressRange> ranges;
};

const Targets kTargets[] = {
    {"one", {{0x55d0c1a2b3c0, 0x55d0c1a2b880}}},
    {"across bits 15 and 16", {{0x55d0c1a2fff0, 0x55d0c1a300f0}}},
    {"two heaps", {{0x55d0c1a2b3c0, 0x55d0c1a2b880}, {0x7f0000001000, 0x7f0000001400}}},
    {"five heaps",
     {{0x10000010, 0x10000020},
      {0x55d0c1a2b3c0, 0x55d0c1a2b880},
      {0x7e0000001000, 0x7e0000001400},
      {0x7f0000001000, 0x7f0000001400},
      {0x7fffffffe000, 0x7fffffffe010}}},
    {"lowest and highest", {{0x10000, 0x10010}, {0xfffffffffff0, 0xffffffffffff}}},
};

// Every size up to some vectors', and every offset in it.
TEST(AddressFilter, FindsAWordAtEveryOffset) {
  for (const Targets& targets : kTargets) {
    const AddressFilter filter(targets.ranges);
    for (size_t size = 0; size < 140; ++size) {
      for (size_t offset = 0; offset + 8 <= size; ++offset) {
        std::vector<uint8_t> data(size + AddressFilter::kMargin);
        for (const AddressRange& target : targets.ranges) {
          for (const uint64_t address : {target.begin, target.end - 1}) {
            std::memcpy(data.data() + offset, &address, sizeof address);
            ASSERT_EQ(Offsets(filter, data, size), OffsetsByHand(data, size, targets.ranges))
                << targets.name << ", size " << size << ", offset " << offset;
          }
        }
      }
    }
  }
}

TEST(AddressFilter, FindsNothingBesideItsTargets) {
  for (const Targets& targets : kTargets) {
    const AddressFilter filter(targets.ranges);
    for (const AddressRange& target : targets.ranges) {
      for (const uint64_t address : {target.begin - 1, target.end}) {
        std::vector<uint8_t> data(64 + AddressFilter::kMargin);
        std::memcpy(data.data() + 16, &address, sizeof address);
        EXPECT_EQ(Offsets(filter, data, 64), OffsetsByHand(data, 64, targets.ranges))
            << targets.name;
      }
    }
  }
}

TEST(AddressFilter, IgnoresATagInTheUpperBits) {
  const AddressFilter filter({{0x55d0c1a2b3c0, 0x55d0c1a2b3d0}});
  std::vector<uint8_t> data(64 + AddressFilter::kMargin);
  const uint64_t tagged = 0xabcd55d0c1a2b3c1;
  std::memcpy(data.data() + 3, &tagged, sizeof tagged);
  EXPECT_EQ(Offsets(filter, data, 64), std::vector<uint64_t>{3});
}

TEST(AddressFilter, LooksNoFurtherThanTheData) {
  const AddressFilter filter({{0x55d0c1a2b3c0, 0x55d0c1a2b3d0}});
  std::vector<uint8_t> data(128 + AddressFilter::kMargin);
  const uint64_t address = 0x55d0c1a2b3c0;
  std::memcpy(data.data() + 57, &address, sizeof address);
  EXPECT_TRUE(Offsets(filter, data, 64).empty());
  EXPECT_EQ(Offsets(filter, data, 65), std::vector<uint64_t>{57});
}

TEST(AddressFilter, AgreesOnMemoryFullOfPointers) {
  std::mt19937_64 random(17);
  for (const Targets& targets : kTargets) {
    const AddressFilter filter(targets.ranges);
    std::vector<uint8_t> data(20'000 + AddressFilter::kMargin);
    for (size_t offset = 0; offset + 8 <= data.size(); offset += 1 + random() % 16) {
      const AddressRange& target = targets.ranges[random() % targets.ranges.size()];
      const uint64_t word = target.begin + random() % 4096 - random() % 4096;
      std::memcpy(data.data() + offset, &word, sizeof word);
    }
    EXPECT_EQ(Offsets(filter, data, 20'000), OffsetsByHand(data, 20'000, targets.ranges))
        << targets.name;
  }
}

}  // namespace
}  // namespace pqleash::reporter
