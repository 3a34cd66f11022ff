// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/totals_memory.h"

#include <limits>

namespace pqleash::reporter {
namespace {

// A ledger may say any number: a sum that wraps around would be smaller than before.
void AddSaturated(uint64_t number, uint64_t* sum) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  *sum = number > kMost - *sum ? kMost : *sum + number;
}

}  // namespace

void TotalsMemory::Take(const std::vector<CountersReading>& readings,
                        const std::function<bool(const std::string& source)>& still_there) {
  std::map<std::string, bool> read;  // to whether it was the last time
  for (const CountersReading& reading : readings) {
    auto [found, is_new] = sources_.try_emplace(reading.source);
    Source& source = found->second;
    if (is_new) {
      source.name = Name(reading.group);
      source.last.resize(width_);
    }
    Counters& sum = sums_[source.name];
    sum.resize(width_);
    for (size_t i = 0; i < width_ && i < reading.counters.size(); ++i) {
      const uint64_t now = reading.counters[i];
      const uint64_t before = source.last[i];
      if (now < before && !reading.restarts) continue;
      AddSaturated(now >= before ? now - before : now, &sum[i]);
      source.last[i] = now;
    }
    read[reading.source] = reading.final;
  }
  std::erase_if(sources_, [&](const auto& entry) {
    const auto found = read.find(entry.first);
    return found != read.end() ? found->second : !still_there(entry.first);
  });
}

const std::string& TotalsMemory::NameOf(const std::string& group) const {
  static const std::string other = kOther;
  const auto found = sums_.find(group);
  return found == sums_.end() ? other : found->first;
}

const std::string& TotalsMemory::Name(const std::string& group) {
  static const std::string other = kOther;
  const auto found = sums_.find(group);
  if (found != sums_.end()) return found->first;
  if (sums_.size() >= max_groups_) return other;
  return sums_.emplace(group, Counters(width_)).first->first;
}

}  // namespace pqleash::reporter
