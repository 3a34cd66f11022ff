// SPDX-License-Identifier: Apache-2.0
//
// Which pages of another process are there, in memory or swapped out, by /proc/PID/pagemap.

#ifndef PQLEASH_REPORTER_REACHABILITY_PAGE_PRESENCE_H_
#define PQLEASH_REPORTER_REACHABILITY_PAGE_PRESENCE_H_

#include <cstdint>
#include <vector>

#include "reporter/reachability/memory_map.h"

namespace pqleash::reporter {

// Where it cannot be known, all pages count as being there. Not thread-safe.
class PagePresence {
 public:
  explicit PagePresence(int32_t pid);
  ~PagePresence();
  PagePresence(const PagePresence&) = delete;
  PagePresence& operator=(const PagePresence&) = delete;

  bool known() const { return pagemap_ >= 0; }

  // Whether the page of `address` is there.
  bool Has(uint64_t address) const;

  // Runs of pages that are there, in order, from the begin of `range` to `walked`; more may follow
  // from there on. `range`: in whole pages, not empty. One step takes a few milliseconds at most,
  // however large the range is: from Linux 6.7 on the kernel is asked for runs (PAGEMAP_SCAN,
  // admin-guide/mm/pagemap.rst), before that for 64 MiB at a time.
  struct Step {
    std::vector<AddressRange> runs;
    uint64_t walked = 0;
  };
  Step From(const AddressRange& range) const;

 private:
  bool Scan(const AddressRange& range, Step* step) const;
  Step Read(const AddressRange& range) const;

  int pagemap_ = -1;
  mutable bool scans_ = true;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_PAGE_PRESENCE_H_
