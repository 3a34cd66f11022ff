// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/thread_areas.h"

#include <algorithm>
#include <map>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kDescriptorSize = 0x980;  // at most, of glibc 2.17 to 2.41
constexpr uint64_t kDescriptorAlignment = 64;
constexpr uint64_t kSearched = 256 << 10;  // of a mapping, from its end
constexpr uint64_t kPage = 4096;

// Words of the area behind `descriptor`, 4 bytes each.
std::vector<uint32_t> HalfWords(uint64_t descriptor, const WordReader& word_at) {
  std::vector<uint32_t> halves;
  for (uint64_t offset = 0; offset < kDescriptorSize; offset += 8) {
    const auto word = word_at(descriptor + offset);
    if (!word) break;
    halves.push_back(static_cast<uint32_t>(*word));
    halves.push_back(static_cast<uint32_t>(*word >> 32));
  }
  return halves;
}

// Address and size of the stack, one behind the other in the descriptor. Empty: not found.
AddressRange StackOf(uint64_t descriptor, const Mapping& mapping, const WordReader& word_at) {
  for (uint64_t offset = 0; offset + 16 <= kDescriptorSize; offset += 8) {
    const uint64_t begin = word_at(descriptor + offset).value_or(0);
    const uint64_t size = word_at(descriptor + offset + 8).value_or(0);
    if (begin == 0 || begin % 16 != 0 || begin >= descriptor || size > mapping.range.end - begin) {
      continue;
    }
    // The descriptor is at the end of the stack's memory.
    const uint64_t end = begin + size;
    if (end > descriptor && end - descriptor < kDescriptorSize + kPage &&
        (begin >= mapping.range.begin || mapping.range.begin - begin <= size)) {
      return {begin, end};
    }
  }
  return {};
}

// The offset in descriptors at which the most threads find their own id.
std::optional<size_t> IdOffset(const std::vector<std::vector<uint32_t>>& descriptors,
                               const std::vector<Thread>& threads) {
  std::map<size_t, size_t> votes;
  for (const std::vector<uint32_t>& halves : descriptors) {
    for (size_t i = 0; i < halves.size(); ++i) {
      votes[i] += std::any_of(threads.begin(), threads.end(), [&](const Thread& thread) {
        return halves[i] == static_cast<uint32_t>(thread.tid);
      });
    }
  }
  const auto best = std::max_element(
      votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  // Every thread that lives has one, and nothing else of them changes from thread to thread so.
  if (best == votes.end() || best->second == 0) return std::nullopt;
  return best->first;
}

}  // namespace

std::vector<ThreadArea> FindThreadAreas(const std::vector<Mapping>& mappings,
                                        const std::vector<Thread>& threads,
                                        const WordReader& word_at) {
  std::vector<ThreadArea> areas;
  std::vector<std::vector<uint32_t>> descriptors;
  for (const Mapping& mapping : mappings) {
    if (!mapping.writable || !mapping.readable || !IsAnonymous(mapping) || !mapping.path.empty()) {
      continue;
    }
    const uint64_t first = mapping.range.end - std::min(mapping.range.size(), kSearched);
    // From the end, where a stack has its descriptor.
    for (uint64_t at = mapping.range.end - kDescriptorAlignment; at >= first;
         at -= kDescriptorAlignment) {
      if (word_at(at) != at || word_at(at + 16) != at) continue;
      ThreadArea area;
      area.descriptor = at;
      area.stack = StackOf(at, mapping, word_at);
      const uint64_t end = std::min(mapping.range.end, at + kDescriptorSize);
      area.range = {area.stack.end == 0 ? at : std::max(area.stack.begin, mapping.range.begin),
                    std::max(end, area.stack.end)};
      areas.push_back(area);
      descriptors.push_back(HalfWords(at, word_at));
      break;
    }
  }
  if (const auto offset = IdOffset(descriptors, threads)) {
    for (size_t i = 0; i < areas.size(); ++i) {
      if (*offset >= descriptors[i].size()) continue;
      const auto tid = static_cast<int32_t>(descriptors[i][*offset]);
      const bool lives = std::any_of(threads.begin(), threads.end(),
                                     [&](const Thread& thread) { return thread.tid == tid; });
      // The kernel writes 0 when a thread ends, pthread_join -1.
      const bool ended = (tid == 0 || tid == -1) && areas[i].stack.end != 0;
      areas[i].tid = lives ? tid : ended ? ThreadArea::kEnded : ThreadArea::kUnknown;
    }
  }
  return areas;
}

const ThreadArea* AreaAt(const std::vector<ThreadArea>& areas, uint64_t address) {
  const auto found = std::find_if(areas.begin(), areas.end(), [&](const ThreadArea& area) {
    return area.range.Contains(address);
  });
  return found == areas.end() ? nullptr : &*found;
}

std::optional<AddressRange> DeadStack(const Thread& thread, const std::vector<Mapping>& mappings,
                                      const std::vector<ThreadArea>& areas) {
  const uint64_t pointer = thread.stack_pointer;
  if (pointer < kRedZone) return std::nullopt;
  const Mapping* mapping = MappingAt(mappings, pointer);
  if (mapping == nullptr) return std::nullopt;
  // The kernel's stack for the first thread grows down, and nothing else is in its mapping.
  if (mapping->path == "[stack]") {
    return AddressRange{mapping->range.begin, std::max(mapping->range.begin, pointer - kRedZone)};
  }
  for (const ThreadArea& area : areas) {
    if (area.tid != thread.tid || !area.stack.Contains(pointer)) continue;
    const uint64_t begin = std::max(area.stack.begin, mapping->range.begin);
    return AddressRange{begin, std::max(begin, pointer - kRedZone)};
  }
  return std::nullopt;
}

}  // namespace pqleash::reporter
