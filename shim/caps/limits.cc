// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/limits.h"

#include <algorithm>

#include "shim/support/hash.h"

namespace pqleash::caps {

namespace {

constexpr uint64_t kFirstBackoffNs = 100'000'000;
constexpr uint64_t kLastBackoffNs = 10'000'000'000;
constexpr uint64_t kMaxBackoffNs = kLastBackoffNs * 5 / 4;

// The numbers on the board are not checked, so sums and products saturate.
uint64_t Sum(uint64_t a, uint64_t b) { return a <= UINT64_MAX - b ? a + b : UINT64_MAX; }

uint64_t Product(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

// Returns how long before the bucket is full a connect may come (ITU-T I.371, generic cell rate).
uint64_t Slack(const Rule& rule) {
  return Product(std::max(rule.burst, 1u) - uint64_t{1}, rule.interval_ns);
}

// Returns when the bucket is full again. A stored value that is not possible counts as 0.
uint64_t FullAt(const Record& record, uint64_t now) {
  return record.full_at_ns <= Sum(FullAtMost(record, now), kApartNs) ? record.full_at_ns : 0;
}

}  // namespace

uint32_t ElsewhereUse(const Record& record, uint64_t now) {
  const uint64_t at = record.elsewhere_at_ns;
  const bool recent = at <= now ? now - at < kElsewhereNs : at - now < kApartNs;
  return recent ? record.elsewhere : 0;
}

uint32_t RoomOf(const Record& record, uint64_t now) {
  const uint64_t use = Sum(record.use, ElsewhereUse(record, now));
  return use < record.rule.limit ? record.rule.limit - static_cast<uint32_t>(use) : 0;
}

uint64_t RoomAt(const Record& record, uint64_t now) {
  if (record.filed.kind == kCap) return RoomOf(record, now) > 0 ? now : kNever;
  uint64_t at = now;
  if (record.rule.interval_ns != 0) {
    const uint64_t slack = Slack(record.rule);
    const uint64_t full_at = FullAt(record, now);
    if (full_at > Sum(now, slack)) at = full_at - slack;
  }
  if (record.rule.on_server_full == kFullBackoff && record.server_full_since_ns != 0) {
    if (record.prober != kNoEntry) return kNever;
    if (record.probe_at_ns <= Sum(now, kMaxBackoffNs + kApartNs))
      at = std::max(at, record.probe_at_ns);
  }
  return at;
}

uint64_t Backoff(uint32_t probes, uint64_t seed) {
  const uint64_t base = std::min(kFirstBackoffNs << std::min(probes, 20u), kLastBackoffNs);
  return base * 3 / 4 + Mix(seed, probes) % (base / 2 + 1);
}

uint64_t FullAtAfter(const Record& record, uint64_t now) {
  const uint64_t full_at = FullAt(record, now);
  if (full_at > Sum(now, Slack(record.rule))) return full_at;
  return Sum(std::max(full_at, now), record.rule.interval_ns);
}

uint64_t FullAtBefore(const Record& record) {
  const uint64_t interval = record.rule.interval_ns;
  return record.full_at_ns > interval ? record.full_at_ns - interval : 0;
}

uint64_t FullAtMost(const Record& record, uint64_t now) {
  return Sum(now, Product(std::max(record.rule.burst, 1u), record.rule.interval_ns));
}

}  // namespace pqleash::caps
