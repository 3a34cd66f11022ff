// SPDX-License-Identifier: Apache-2.0
//
// What a process has mapped, and what of it can hold a reference to a connection. Pure.

#ifndef PQLEASH_REPORTER_REACHABILITY_MEMORY_MAP_H_
#define PQLEASH_REPORTER_REACHABILITY_MEMORY_MAP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

// [begin, end).
struct AddressRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
  bool Contains(uint64_t address) const { return begin <= address && address < end; }
  bool operator==(const AddressRange&) const = default;
};

// A line of /proc/PID/maps.
struct Mapping {
  AddressRange range;
  bool readable = false;
  bool writable = false;
  bool executable = false;
  bool shared = false;
  uint64_t offset = 0;  // in the file
  uint64_t inode = 0;   // 0: no file
  std::string path;     // as the kernel shows it: '[heap]', '/memfd:x (deleted)'; empty: none
};

// Lines that are none are left out. In order of address, without overlaps.
std::vector<Mapping> ParseMemoryMap(std::string_view maps);

// A mapping that is scanned, or a part of one.
struct Region {
  AddressRange range;
  size_t mapping = 0;  // index
};

// The parts of writable mappings that can hold references of the program's: not devices, and none
// of `excluded`.
std::vector<Region> RegionsToScan(const std::vector<Mapping>& mappings,
                                  const std::vector<AddressRange>& excluded);

// `ranges` in order of address, and those that touch made one.
std::vector<AddressRange> Merged(std::vector<AddressRange> ranges);

// The index of the range that contains `address`, of ranges in order; ranges.size(): none.
template <typename Item, typename Range>
size_t IndexAt(const std::vector<Item>& items, uint64_t address, Range range_of) {
  size_t low = 0;
  size_t high = items.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (range_of(items[middle]).end <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < items.size() && range_of(items[low]).Contains(address) ? low : items.size();
}

// Of the mapping, or region, that contains `address`.
const Mapping* MappingAt(const std::vector<Mapping>& mappings, uint64_t address);
const Region* RegionAt(const std::vector<Region>& regions, uint64_t address);

// The last part of a path, without ' (deleted)'.
std::string_view FileName(std::string_view path);

// Memory of nobody's file: an allocator or a stack may live in it.
inline bool IsAnonymous(const Mapping& mapping) {
  return !mapping.shared && mapping.inode == 0 && (mapping.path.empty() || mapping.path[0] == '[');
}

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_MEMORY_MAP_H_
