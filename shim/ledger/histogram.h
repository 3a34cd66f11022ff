// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_LEDGER_HISTOGRAM_H_
#define PQLEASH_SHIM_LEDGER_HISTOGRAM_H_

#include <bit>
#include <cstdint>

#include "shim/ledger/layout.h"

namespace pqleash::ledger {

// Number of the bucket of a time: bucket i ends at 2^i microseconds, the last has no end.
constexpr uint32_t BucketOf(uint64_t ns) {
  const uint64_t microseconds = (ns + 999) / 1000;
  if (microseconds <= 1) return 0;
  const auto bucket = static_cast<uint32_t>(std::bit_width(microseconds - 1));
  return bucket < kHistogramBuckets ? bucket : kHistogramBuckets - 1;
}

// Which of a slot's use_counts a use of that length goes to, and the bucket that the counts of
// number `i` belong to.
constexpr uint32_t UseCountOf(uint64_t ns) {
  const uint32_t bucket = BucketOf(ns);
  if (bucket <= kFirstUseBucket) return 0;
  const uint32_t i = (bucket - kFirstUseBucket + 1) / 2;
  return i < kUseCounts ? i : kUseCounts - 1;
}
constexpr uint32_t UseBucket(uint32_t i) {
  return i < kUseCounts - 1 ? kFirstUseBucket + 2 * i : kHistogramBuckets - 1;
}

// Thread-safe.
inline void CountTime(Histogram& histogram, uint64_t ns) {
  __atomic_fetch_add(&histogram.buckets[BucketOf(ns)], uint64_t{1}, __ATOMIC_RELAXED);
  if (ns != 0) __atomic_fetch_add(&histogram.sum_ns, ns, __ATOMIC_RELAXED);
}

}  // namespace pqleash::ledger

#endif  // PQLEASH_SHIM_LEDGER_HISTOGRAM_H_
