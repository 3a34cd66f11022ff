// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CAPS_POLICY_CACHE_H_
#define PQLEASH_SHIM_CAPS_POLICY_CACHE_H_

#include <atomic>
#include <cstdint>

namespace pqleash::caps {

// Remembers which policies apply to connects that were seen before. Direct-mapped; a new key
// overwrites an old one, so the cache cannot fill up. Thread-safe without a lock: a key is stored
// combined with its value, so that the halves of two stores are not taken for one (Hyatt and Mann,
// 'A lockless transposition table', 2002). Valid and empty as zero bytes.
class PolicyCache {
 public:
  // Finds the value of `key`. REQUIRES: `key` is not 0.
  bool Find(uint64_t key, uint64_t* policies) const {
    const Place& place = places_[key % kPlaces];
    const uint64_t value = place.policies.load(std::memory_order_relaxed);
    if ((place.mixed.load(std::memory_order_relaxed) ^ value) != key || key == 0) return false;
    *policies = value;
    return true;
  }
  void Store(uint64_t key, uint64_t policies) {
    Place& place = places_[key % kPlaces];
    place.mixed.store(key ^ policies, std::memory_order_relaxed);
    place.policies.store(policies, std::memory_order_relaxed);
  }

 private:
  static constexpr uint32_t kPlaces = 256;
  struct Place {
    std::atomic<uint64_t> mixed;
    std::atomic<uint64_t> policies;
  };
  Place places_[kPlaces];
};

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_POLICY_CACHE_H_
