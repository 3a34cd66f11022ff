// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/histogram.h"

#include <gtest/gtest.h>

namespace pqleash::ledger {
namespace {

TEST(Histogram, BucketIEndsAtTwoToTheIMicroseconds) {
  const struct {
    uint64_t ns;
    uint32_t bucket;
  } cases[] = {{0, 0}, {1, 0}, {999, 0}, {1'000, 0}, {1'001, 1}, {2'000, 1}, {2'001, 2}};
  for (const auto& each : cases) EXPECT_EQ(BucketOf(each.ns), each.bucket) << each.ns;
  for (uint32_t i = 1; i + 1 < kHistogramBuckets; ++i) {
    const uint64_t end = (uint64_t{1} << i) * 1'000;
    EXPECT_EQ(BucketOf(end), i) << end;
    EXPECT_EQ(BucketOf(end + 1), i + 1) << end + 1;
  }
}

TEST(Histogram, TheLastBucketHasNoEnd) {
  EXPECT_EQ(BucketOf(uint64_t{1} << 62), kHistogramBuckets - 1);
  EXPECT_EQ(BucketOf(UINT64_MAX - 999), kHistogramBuckets - 1);
}

TEST(Histogram, TimesAddUp) {
  Histogram histogram = {};
  CountTime(histogram, 500);
  CountTime(histogram, 1'000);
  CountTime(histogram, 3'000);
  EXPECT_EQ(histogram.buckets[0], 2u);
  EXPECT_EQ(histogram.buckets[2], 1u);
  EXPECT_EQ(histogram.sum_ns, 4'500u);
}

}  // namespace
}  // namespace pqleash::ledger
