// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/news.h"

namespace pqleash::reporter {

std::vector<size_t> News::NewIn(const std::vector<FindingKey>& keys, uint64_t now_ns) {
  std::erase_if(known_, [&](const auto& entry) { return now_ns - entry.second > kForgetNs; });
  std::vector<size_t> fresh;
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto known = known_.find(keys[i]);
    if (known != known_.end()) {
      known->second = now_ns;
    } else if (known_.size() < kMaxKnown) {
      known_[keys[i]] = now_ns;
      fresh.push_back(i);
    }
  }
  return fresh;
}

}  // namespace pqleash::reporter
