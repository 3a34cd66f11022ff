// SPDX-License-Identifier: Apache-2.0

#include "shim/support/outer_uid.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace pqleash {
namespace {

TEST(OuterUid, IsTheMappedOne) {
  EXPECT_EQ(OuterUidIn("         0          0 4294967295\n", 1000), 1000u);
  EXPECT_EQ(OuterUidIn("         0       1000          1\n", 0), 1000u);
  EXPECT_EQ(OuterUidIn("0 1000 1\n1 100000 65536\n", 999), 100998u);
}

TEST(OuterUid, IsTheSameWithoutAMapping) {
  for (const char* map : {"", "\n", "x", "0 1", "0 1000 1\n", "0 1000 1\n5 6"})
    EXPECT_EQ(OuterUidIn(map, 7), 7u) << map;
}

}  // namespace
}  // namespace pqleash
