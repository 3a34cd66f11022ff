// SPDX-License-Identifier: Apache-2.0
//
// Finds addresses in raw memory, at every byte offset, at the speed of memory. Pure.

#ifndef PQLEASH_REPORTER_REACHABILITY_ADDRESS_FILTER_H_
#define PQLEASH_REPORTER_REACHABILITY_ADDRESS_FILTER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "reporter/reachability/memory_map.h"

namespace pqleash::reporter {

// A word of memory that leads into one of the targets.
struct Sighting {
  uint64_t offset = 0;  // of the word's first byte
  uint64_t address = 0;
  size_t target = 0;  // index
};

// What is looked for: addresses below 2^48. The upper 16 bits of a word are ignored, since some
// programs keep a tag there; the lower bits of a target may be a tag, too, as a target has a size.
//
// The scheme: bits 16 to 47 of every address that is looked for lie in a few narrow ranges. Of each
// byte offset the four bytes that would be those bits are compared with these ranges, many offsets
// at a time; only what passes is looked up.
class AddressFilter {
 public:
  static constexpr size_t kMargin =
      64;  // bytes behind the data that may be read, whatever they are

  // `targets`: in order of address, without overlaps. At least one.
  explicit AddressFilter(std::vector<AddressRange> targets);

  const std::vector<AddressRange>& targets() const { return targets_; }

  // Adds the sightings among the words that begin in [0, size) of `data`, in order of offset. Words
  // that go beyond `size` are none of them; kMargin bytes behind must be readable.
  void Find(const uint8_t* data, size_t size, std::vector<Sighting>* sightings) const;

 private:
  static constexpr size_t kMaxClusters = 4;
  // A range of bits 16 to 47.
  struct Cluster {
    uint32_t low = 0;
    uint32_t span = 0;  // high - low
  };
  static constexpr size_t kStep = 32;
  // Looks at the words that begin in [0, the multiple of kStep that it returns).
  template <size_t kClusters>
  size_t FindWithAvx2(const uint8_t* data, size_t size, std::vector<Sighting>* sightings) const;
  // At those in [begin, size).
  void FindOneByOne(const uint8_t* data, size_t begin, size_t size,
                    std::vector<Sighting>* sightings) const;
  void Check(const uint8_t* data, size_t offset, std::vector<Sighting>* sightings) const;
  bool MayContain(uint64_t address) const;

  std::vector<AddressRange> targets_;
  std::vector<Cluster> clusters_;
  std::vector<uint64_t> marks_;  // a bit for each hash of an address's page
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_ADDRESS_FILTER_H_
