// SPDX-License-Identifier: Apache-2.0
//
// Two hashes. Mix and HashWords are for tables in memory; they are fast, and may be changed. Fnv1a
// is for identities that are compared between processes, hosts and versions; it must never change
// (Fowler, Noll, Vo: FNV-1a, 64 bits).

#ifndef PQLEASH_SHIM_SUPPORT_HASH_H_
#define PQLEASH_SHIM_SUPPORT_HASH_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pqleash {

// Folds `word` into `hash`. The high half of the full product depends on every bit.
inline uint64_t Mix(uint64_t hash, uint64_t word) {
  const auto product =
      static_cast<unsigned __int128>(hash ^ 0x9e3779b97f4a7c15) * (word ^ 0xe7037ed1a0b428db);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t HashWords(const void* const* words, size_t count, uint64_t seed) {
  uint64_t hash = seed;
  for (size_t i = 0; i < count; ++i) hash = Mix(hash, reinterpret_cast<uintptr_t>(words[i]));
  return hash;
}

class Fnv1a {
 public:
  void Add(const void* bytes, size_t size) {
    const auto* byte = static_cast<const unsigned char*>(bytes);
    for (size_t i = 0; i < size; ++i) hash_ = (hash_ ^ byte[i]) * 0x100000001b3;
  }
  void Add(std::string_view text) {
    Add(text.data(), text.size());
    Add("", 1);  // so that ("ab", "c") and ("a", "bc") differ
  }
  // Adds the bytes from the least significant one on, whatever the machine's byte order.
  void Add(uint64_t value) {
    for (int i = 0; i < 8; ++i) {
      const auto byte = static_cast<unsigned char>(value >> (8 * i));
      Add(&byte, 1);
    }
  }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_HASH_H_
