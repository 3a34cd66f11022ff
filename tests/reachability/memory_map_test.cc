// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/memory_map.h"

#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

constexpr char kMaps[] =
    "55d0c0000000-55d0c0001000 r-xp 00000000 fe:00 17                         /usr/bin/service\n"
    "55d0c0001000-55d0c0002000 rw-p 00001000 fe:00 17                         /usr/bin/service\n"
    "55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0                          [heap]\n"
    "7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n"
    "7f0000001000-7f0000801000 rw-p 00000000 00:00 0 \n"
    "7f0001000000-7f0001001000 rw-s 00000000 00:01 99                         /dev/shm/a b "
    "(deleted)\n"
    "7f0002000000-7f0002001000 rw-s 00000000 00:01 98                         /dev/dri/card0\n"
    "7f0003000000-7f0003001000 rw-s 00000000 00:01 97                         /x/rw-p 0 0 0 "
    "\\012y\n"
    "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n"
    "7ffc00030000-7ffc00034000 r--p 00000000 00:00 0                          [vvar]\n";

TEST(MemoryMap, ReadsEveryLine) {
  const std::vector<Mapping> mappings = ParseMemoryMap(kMaps);
  ASSERT_EQ(mappings.size(), 10u);
  EXPECT_TRUE(mappings[0].executable);
  EXPECT_EQ(mappings[1].range, (AddressRange{0x55d0c0001000, 0x55d0c0002000}));
  EXPECT_TRUE(mappings[1].writable);
  EXPECT_FALSE(mappings[1].shared);
  EXPECT_FALSE(mappings[1].executable);
  EXPECT_EQ(mappings[1].offset, 0x1000u);
  EXPECT_EQ(mappings[1].inode, 17u);
  EXPECT_FALSE(mappings[3].readable);
  EXPECT_EQ(mappings[4].path, "");
  EXPECT_EQ(mappings[5].path, "/dev/shm/a b (deleted)");
  EXPECT_TRUE(mappings[5].shared);
  EXPECT_EQ(mappings[7].path, "/x/rw-p 0 0 0 \\012y");
}

TEST(MemoryMap, LeavesOutWhatIsNoLine) {
  for (const char* line :
       {"", "x", "1000", "1000-", "1000-2000", "1000-2000 rw-p", "2000-1000 rw-p 0 0:0 0",
        "1000-2000 rw-p z 00:00 0", "1000-2000 rw-p 0 00 0", "1000-2000 rw-p 0 00:00 ",
        "10000000000000000-2 rw-p 0 00:00 0"}) {
    EXPECT_TRUE(ParseMemoryMap(line).empty()) << line;
  }
  // Out of order: the later one is not believed.
  EXPECT_EQ(ParseMemoryMap("2000-3000 rw-p 0 00:00 0\n1000-2000 rw-p 0 00:00 0\n").size(), 1u);
}

TEST(MemoryMap, ScansWhatIsWritableAndNoDevice) {
  const std::vector<Mapping> mappings = ParseMemoryMap(kMaps);
  std::vector<size_t> scanned;
  for (const Region& region : RegionsToScan(mappings, {})) scanned.push_back(region.mapping);
  EXPECT_EQ(scanned, (std::vector<size_t>{1, 2, 4, 5, 7, 8}));
}

TEST(MemoryMap, CutsOutWhatIsExcluded) {
  const std::vector<Mapping> mappings = ParseMemoryMap("1000-9000 rw-p 0 00:00 0\n");
  struct Case {
    std::vector<AddressRange> excluded;
    std::vector<AddressRange> left;
  };
  const Case cases[] = {
      {{}, {{0x1000, 0x9000}}},
      {{{0x1000, 0x9000}}, {}},
      {{{0, 0x20000}}, {}},
      {{{0x2000, 0x3000}}, {{0x1000, 0x2000}, {0x3000, 0x9000}}},
      {{{0x4000, 0x5000}, {0x2000, 0x3000}},
       {{0x1000, 0x2000}, {0x3000, 0x4000}, {0x5000, 0x9000}}},
      {{{0x2000, 0x5000}, {0x4000, 0xa000}}, {{0x1000, 0x2000}}},
      {{{0x5000, 0x4000}}, {{0x1000, 0x9000}}},
  };
  for (const Case& test : cases) {
    std::vector<AddressRange> left;
    for (const Region& region : RegionsToScan(mappings, test.excluded)) {
      left.push_back(region.range);
    }
    EXPECT_EQ(left, test.left) << "case " << &test - cases;
  }
}

TEST(MemoryMap, FindsTheMappingOfAnAddress) {
  const std::vector<Mapping> mappings = ParseMemoryMap(kMaps);
  EXPECT_EQ(MappingAt(mappings, 0x55d0c0fff000), nullptr);
  EXPECT_EQ(MappingAt(mappings, 0x55d0c1000000), &mappings[2]);
  EXPECT_EQ(MappingAt(mappings, 0x55d0c1020fff), &mappings[2]);
  EXPECT_EQ(MappingAt(mappings, 0x55d0c1021000), nullptr);
  EXPECT_EQ(MappingAt(mappings, UINT64_MAX), nullptr);
}

}  // namespace
}  // namespace pqleash::reporter
