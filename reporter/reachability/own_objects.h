// SPDX-License-Identifier: Apache-2.0
//
// What a connection has for itself on the heap: its PGconn, and the blocks that libpq and OpenSSL
// hang onto it. Some of these point back to the PGconn (SSL's user data, the data of its BIO, the
// user data of callbacks in the SSL_CTX), and such a reference is none that the program could use.

#ifndef PQLEASH_REPORTER_REACHABILITY_OWN_OBJECTS_H_
#define PQLEASH_REPORTER_REACHABILITY_OWN_OBJECTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "reporter/reachability/malloc_blocks.h"
#include "reporter/reachability/memory_map.h"

namespace pqleash::reporter {

struct OwnObjects {
  // Blocks that pointers lead to, from the PGconn on; in order, without the PGconn itself. Not all
  // of them are the connection's own: a program's object may be among them, as the argument of a
  // notice processor.
  std::vector<AddressRange> blocks;

  bool Contains(uint64_t address) const;
};

// Deepest way from a PGconn to a block that points back: PGconn, SSL, its user data's stack, the
// array of that.
inline constexpr size_t kMaxDepth = 4;
inline constexpr size_t kMaxOwnBlocks = 8'192;
// Read of one block, in bytes; what libpq and OpenSSL allocate is less.
inline constexpr uint64_t kMaxBlockRead = 64 << 10;

// Calls look(address, word) with the words of `block`, aligned, that can be read.
template <typename Look>
void ForEachWord(const AddressRange& block, const MallocBlocks::WordAt& word_at, Look look) {
  const uint64_t end = std::min(block.end, block.begin + kMaxBlockRead);
  for (uint64_t address = block.begin; address + 8 <= end; address += 8) {
    if (const auto word = word_at(address)) look(address, *word);
  }
}

// Follows pointers from `conn`, the block of a PGconn. A connection with more than kMaxOwnBlocks is
// followed no further.
OwnObjects FollowPointers(const AddressRange& conn, const MallocBlocks& blocks,
                          const MallocBlocks::WordAt& word_at);

// Of `objects`: the blocks that contain the addresses `references`, and those from which pointers
// lead to these, by whatever way. If nothing else points to any of them, the program cannot get at
// the references. In order.
std::vector<AddressRange> LeadingTo(const std::vector<uint64_t>& references,
                                    const OwnObjects& objects, const MallocBlocks::WordAt& word_at);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_OWN_OBJECTS_H_
