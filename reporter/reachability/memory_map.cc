// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/memory_map.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace pqleash::reporter {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

std::optional<uint64_t> TakeNumber(std::string_view* text, int base) {
  uint64_t number = 0;
  const auto [rest, error] =
      std::from_chars(text->data(), text->data() + text->size(), number, base);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(rest - text->data()));
  return number;
}

bool Take(std::string_view* text, char expected) {
  if (text->empty() || text->front() != expected) return false;
  text->remove_prefix(1);
  return true;
}

// 'begin-end rwxp offset major:minor inode   path': the path is whatever follows, blanks and all. A
// line break in it is shown as '\012'.
std::optional<Mapping> ParseLine(std::string_view line) {
  Mapping mapping;
  const auto begin = TakeNumber(&line, 16);
  if (!begin || !Take(&line, '-')) return std::nullopt;
  const auto end = TakeNumber(&line, 16);
  if (!end || *end <= *begin || !Take(&line, ' ') || line.size() < 5) return std::nullopt;
  mapping.range = {*begin, *end};
  mapping.readable = line[0] == 'r';
  mapping.writable = line[1] == 'w';
  mapping.executable = line[2] == 'x';
  mapping.shared = line[3] == 's';
  line.remove_prefix(4);
  if (!Take(&line, ' ')) return std::nullopt;
  const auto offset = TakeNumber(&line, 16);
  if (!offset || !Take(&line, ' ') || !TakeNumber(&line, 16) || !Take(&line, ':') ||
      !TakeNumber(&line, 16) || !Take(&line, ' ')) {
    return std::nullopt;
  }
  const auto inode = TakeNumber(&line, 10);
  if (!inode) return std::nullopt;
  mapping.offset = *offset;
  mapping.inode = *inode;
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  mapping.path = line;
  return mapping;
}

// Registers of hardware must not be read, and hold no pointers.
bool IsDevice(std::string_view path) {
  return path.starts_with("/dev/") && !path.starts_with("/dev/shm/") &&
         !path.starts_with("/dev/zero") && !path.starts_with("/dev/hugepages/");
}

bool IsKernels(std::string_view path) {
  return path.starts_with("[v") || path == "[uprobes]" || path.starts_with("anon_inode:[perf");
}

}  // namespace

std::vector<Mapping> ParseMemoryMap(std::string_view maps) {
  std::vector<Mapping> mappings;
  while (!maps.empty()) {
    const size_t end = std::min(maps.find('\n'), maps.size());
    auto mapping = ParseLine(maps.substr(0, end));
    maps.remove_prefix(std::min(end + 1, maps.size()));
    const uint64_t last = mappings.empty() ? 0 : mappings.back().range.end;
    if (mapping && mapping->range.begin >= last) mappings.push_back(*std::move(mapping));
  }
  return mappings;
}

std::vector<AddressRange> Merged(std::vector<AddressRange> ranges) {
  std::erase_if(ranges, [](const AddressRange& range) { return range.end <= range.begin; });
  std::sort(ranges.begin(), ranges.end(),
            [](const AddressRange& a, const AddressRange& b) { return a.begin < b.begin; });
  std::vector<AddressRange> merged;
  for (const AddressRange& range : ranges) {
    if (!merged.empty() && range.begin <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, range.end);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

std::vector<Region> RegionsToScan(const std::vector<Mapping>& mappings,
                                  const std::vector<AddressRange>& excluded) {
  const std::vector<AddressRange> holes = Merged(excluded);
  std::vector<Region> regions;
  for (size_t i = 0; i < mappings.size(); ++i) {
    const Mapping& mapping = mappings[i];
    // What was written once and is read only since: a page of settings, sealed on purpose. Code and
    // constants of files have never held an address of the heap.
    if (!mapping.readable || (!mapping.writable && !IsAnonymous(mapping))) continue;
    if (IsDevice(mapping.path) || IsKernels(mapping.path)) continue;
    uint64_t begin = mapping.range.begin;
    for (const AddressRange& hole : holes) {
      if (hole.end <= begin || hole.begin >= mapping.range.end) continue;
      if (hole.begin > begin) regions.push_back({{begin, hole.begin}, i});
      begin = std::min(hole.end, mapping.range.end);
    }
    if (begin < mapping.range.end) regions.push_back({{begin, mapping.range.end}, i});
  }
  return regions;
}

const Mapping* MappingAt(const std::vector<Mapping>& mappings, uint64_t address) {
  const size_t index = IndexAt(mappings, address, [](const Mapping& m) { return m.range; });
  return index < mappings.size() ? &mappings[index] : nullptr;
}

const Region* RegionAt(const std::vector<Region>& regions, uint64_t address) {
  const size_t index = IndexAt(regions, address, [](const Region& r) { return r.range; });
  return index < regions.size() ? &regions[index] : nullptr;
}

std::string_view FileName(std::string_view path) {
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return path.substr(path.rfind('/') + 1);
}

}  // namespace pqleash::reporter
