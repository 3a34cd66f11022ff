// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/address_filter.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kAddressMask = (uint64_t{1} << 48) - 1;
constexpr uint64_t kWideGap = 1 << 15;  // of bits 16 to 47: 2 GiB
constexpr unsigned kPageShift = 10;     // of marks: about the size of a PGconn
constexpr uint64_t kMarkBits = uint64_t{1} << 18;

uint64_t MarkOf(uint64_t address) {
  return ((address >> kPageShift) * 0x9E3779B97F4A7C15u) >> (64 - 18);
}

}  // namespace

AddressFilter::AddressFilter(std::vector<AddressRange> targets)
    : targets_(std::move(targets)), marks_(kMarkBits / 64) {
  // Cut where the gaps are widest, and wider than what lies between pieces of one heap.
  std::vector<std::pair<uint64_t, size_t>> gaps;
  for (size_t i = 1; i < targets_.size(); ++i) {
    const uint64_t gap = (targets_[i].begin >> 16) - ((targets_[i - 1].end - 1) >> 16);
    if (gap > kWideGap) gaps.emplace_back(gap, i);
  }
  std::sort(gaps.rbegin(), gaps.rend());
  gaps.resize(std::min(gaps.size(), kMaxClusters - 1));
  std::vector<size_t> cuts = {0, targets_.size()};
  for (const auto& [gap, index] : gaps) cuts.push_back(index);
  std::sort(cuts.begin(), cuts.end());
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    const auto low = static_cast<uint32_t>(targets_[cuts[i]].begin >> 16);
    const auto high = static_cast<uint32_t>((targets_[cuts[i + 1] - 1].end - 1) >> 16);
    clusters_.push_back({low, high - low});
  }
  for (const AddressRange& target : targets_) {
    for (uint64_t page = target.begin >> kPageShift; page <= (target.end - 1) >> kPageShift;
         ++page) {
      const uint64_t mark = MarkOf(page << kPageShift);
      marks_[mark / 64] |= uint64_t{1} << mark % 64;
    }
  }
}

bool AddressFilter::MayContain(uint64_t address) const {
  const uint64_t mark = MarkOf(address);
  return (marks_[mark / 64] >> mark % 64 & 1) != 0;
}

void AddressFilter::Check(const uint8_t* data, size_t offset,
                          std::vector<Sighting>* sightings) const {
  uint64_t word = 0;
  std::memcpy(&word, data + offset, sizeof word);
  const uint64_t address = word & kAddressMask;
  if (!MayContain(address)) return;
  const size_t target = IndexAt(targets_, address, [](const AddressRange& range) { return range; });
  if (target < targets_.size()) sightings->push_back({offset, address, target});
}

void AddressFilter::FindOneByOne(const uint8_t* data, size_t begin, size_t size,
                                 std::vector<Sighting>* sightings) const {
  for (size_t offset = begin; offset + 8 <= size; ++offset) {
    uint32_t middle = 0;
    std::memcpy(&middle, data + offset + 2, sizeof middle);
    for (const Cluster& cluster : clusters_) {
      if (middle - cluster.low > cluster.span) continue;
      Check(data, offset, sightings);
      break;
    }
  }
}

#if defined(__x86_64__)

// Four loads of the same 32 bytes, each begun one byte later, have bits 16 to 47 of the words at
// all 32 offsets in their lanes.
template <size_t kClusters>
[[gnu::target("avx2")]] size_t AddressFilter::FindWithAvx2(const uint8_t* data, size_t size,
                                                           std::vector<Sighting>* sightings) const {
  __m256i low[kClusters];
  __m256i span[kClusters];
  for (size_t i = 0; i < kClusters; ++i) {
    low[i] = _mm256_set1_epi32(static_cast<int>(clusters_[i].low));
    span[i] = _mm256_set1_epi32(static_cast<int>(clusters_[i].span));
  }
  const uint64_t* const marks = marks_.data();
  size_t begin = 0;
  for (; begin + kStep <= size; begin += kStep) {
    __m256i hit[4];
    for (size_t shift = 0; shift < 4; ++shift) {
      const __m256i middle =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + begin + shift + 2));
      hit[shift] = _mm256_setzero_si256();
      for (size_t i = 0; i < kClusters; ++i) {
        const __m256i above = _mm256_sub_epi32(middle, low[i]);
        const __m256i within = _mm256_cmpeq_epi32(_mm256_min_epu32(above, span[i]), above);
        hit[shift] = _mm256_or_si256(hit[shift], within);
      }
    }
    const __m256i any =
        _mm256_or_si256(_mm256_or_si256(hit[0], hit[1]), _mm256_or_si256(hit[2], hit[3]));
    if (_mm256_testz_si256(any, any) != 0) [[likely]]
      continue;
    for (size_t shift = 0; shift < 4; ++shift) {
      auto lanes = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(hit[shift])));
      for (; lanes != 0; lanes &= lanes - 1) {
        const size_t offset =
            begin + shift + size_t{4} * static_cast<size_t>(std::countr_zero(lanes));
        uint64_t word = 0;
        std::memcpy(&word, data + offset, sizeof word);
        const uint64_t mark = MarkOf(word & kAddressMask);
        if ((marks[mark / 64] >> mark % 64 & 1) == 0) [[likely]]
          continue;
        if (offset + 8 <= size) Check(data, offset, sightings);
      }
    }
  }
  return begin;
}

#endif

void AddressFilter::Find(const uint8_t* data, size_t size, std::vector<Sighting>* sightings) const {
  const size_t first = sightings->size();
  size_t begin = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    switch (clusters_.size()) {
      case 1:
        begin = FindWithAvx2<1>(data, size, sightings);
        break;
      case 2:
        begin = FindWithAvx2<2>(data, size, sightings);
        break;
      case 3:
        begin = FindWithAvx2<3>(data, size, sightings);
        break;
      default:
        begin = FindWithAvx2<4>(data, size, sightings);
    }
  }
#endif
  FindOneByOne(data, begin, size, sightings);
  std::sort(sightings->begin() + static_cast<ptrdiff_t>(first), sightings->end(),
            [](const Sighting& a, const Sighting& b) { return a.offset < b.offset; });
}

}  // namespace pqleash::reporter
