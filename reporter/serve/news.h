// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_NEWS_H_
#define PQLEASH_REPORTER_SERVE_NEWS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "reporter/words/duration.h"

namespace pqleash::reporter {

// What makes two findings the same one at different times.
struct FindingKey {
  std::string kind;
  uint64_t call_site = 0;  // 0: none
  std::string service;
  auto operator<=>(const FindingKey&) const = default;
};

// Which findings were not there before. Bounded; not thread-safe.
class News {
 public:
  static constexpr uint64_t kForgetNs = kHour;  // since it was there last: then it is new again
  static constexpr size_t kMaxKnown = 1'000;    // beyond it nothing is new

  // Indexes of those that are new, each key once. `now_ns` is of any clock that does not go back.
  std::vector<size_t> NewIn(const std::vector<FindingKey>& keys, uint64_t now_ns);

 private:
  std::map<FindingKey, uint64_t> known_;  // to when it was there last
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_NEWS_H_
