// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/deep_bind.h"

#include <atomic>
#include <cstdint>

#include "shim/support/hash.h"

namespace pqleash::libpq {

namespace {

constexpr uint32_t kMaxPaths = 64;
constinit std::atomic<uint64_t> paths[kMaxPaths] = {};  // hashes of the paths; 0: free

uint64_t HashPath(const char* path) {
  Fnv1a hash;
  hash.Add(std::string_view(path));
  return hash.value() | 1;
}

}  // namespace

void NoteDeepBind(const char* path) {
  const uint64_t hash = HashPath(path);
  for (std::atomic<uint64_t>& entry : paths) {
    uint64_t known = 0;
    if (entry.compare_exchange_strong(known, hash, std::memory_order_relaxed) || known == hash)
      return;
  }
}

bool AskedForDeepBind(const char* path) {
  if (paths[0].load(std::memory_order_relaxed) == 0) return false;
  const uint64_t hash = HashPath(path);
  for (const std::atomic<uint64_t>& entry : paths) {
    const uint64_t known = entry.load(std::memory_order_relaxed);
    if (known == hash) return true;
    if (known == 0) return false;
  }
  return false;
}

}  // namespace pqleash::libpq
