// SPDX-License-Identifier: Apache-2.0
//
// Counters that go on when those who counted are gone: a process ends, its ledger is removed, and
// what it has opened has been opened all the same.

#ifndef PQLEASH_REPORTER_SERVE_TOTALS_MEMORY_H_
#define PQLEASH_REPORTER_SERVE_TOTALS_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace pqleash::reporter {

// Numbers that only grow, in an order that the caller knows.
using Counters = std::vector<uint64_t>;

// What one source, a ledger or a board, said.
struct CountersReading {
  std::string source;
  std::string group;  // what its counters are summed up for: a service
  Counters counters;
  bool final = false;     // the source has ended, and will not be read again
  bool restarts = false;  // it may be made anew under the same name, and count from 0 again
};

// Sums over all sources that there have ever been, by group. Memory is bounded by the number of
// sources that are there at a time, and by `max_groups`. Not thread-safe.
class TotalsMemory {
 public:
  static constexpr const char* kOther = "other";

  // `width`: counters of a source. Of more groups than `max_groups`, those that come last are
  // counted as `kOther`, for good: a sum must not change its name.
  TotalsMemory(size_t width, size_t max_groups) : width_(width), max_groups_(max_groups) {}

  // Takes in what was read. A source that was not, and is not `still_there`, is gone: what it said
  // last is kept in the sum of its group. No sum ever gets smaller, whatever a source says: one
  // that counts backwards has begun anew where it `restarts`; elsewhere it was read while it was
  // written.
  void Take(const std::vector<CountersReading>& readings,
            const std::function<bool(const std::string& source)>& still_there);

  // The name that a group is counted under: its own or kOther.
  const std::string& NameOf(const std::string& group) const;

  const std::map<std::string, Counters>& sums() const { return sums_; }
  size_t sources() const { return sources_.size(); }

 private:
  struct Source {
    std::string name;  // of the sum
    Counters last;
  };

  const std::string& Name(const std::string& group);

  const size_t width_;
  const size_t max_groups_;
  std::map<std::string, Source> sources_;
  std::map<std::string, Counters> sums_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_TOTALS_MEMORY_H_
