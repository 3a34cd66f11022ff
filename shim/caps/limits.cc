// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/limits.h"

#include <algorithm>

#include "shim/support/hash.h"

namespace pqleash::caps {

namespace {

constexpr uint64_t kFirstBackoffNs = 100'000'000;
constexpr uint64_t kLastBackoffNs = 10'000'000'000;

}  // namespace

uint64_t RoomAt(const Record& record, uint64_t now) {
  if (record.filed.kind == kCap) return record.use < record.rule.limit ? now : kNever;
  uint64_t at = now;
  if (record.rule.interval_ns != 0) {
    // Conforming while the bucket, `burst` deep, is not empty (ITU-T I.371, generic cell rate).
    const uint64_t slack = (record.rule.burst - uint64_t{1}) * record.rule.interval_ns;
    if (record.full_at_ns > now + slack) at = record.full_at_ns - slack;
  }
  if (record.rule.on_server_full == kFullBackoff && record.server_full_since_ns != 0) {
    if (record.prober != kNoEntry) return kNever;
    at = std::max(at, record.probe_at_ns);
  }
  return at;
}

uint64_t Backoff(uint32_t probes, uint64_t seed) {
  const uint64_t base = std::min(kFirstBackoffNs << std::min(probes, 20u), kLastBackoffNs);
  return base * 3 / 4 + Mix(seed, probes) % (base / 2 + 1);
}

uint64_t FullAtAfter(const Record& record, uint64_t now) {
  return std::max(record.full_at_ns, now) + record.rule.interval_ns;
}

}  // namespace pqleash::caps
