// SPDX-License-Identifier: Apache-2.0
//
// Looks for lost connections in the memory of living processes, now and then, by a thread of its
// own: that takes up to seconds a process, and nobody who asks waits for it.

#ifndef PQLEASH_REPORTER_SERVE_SEARCH_H_
#define PQLEASH_REPORTER_SERVE_SEARCH_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "reporter/reachability/reachability.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

class MemorySearch {
 public:
  // No value of `interval`: never. `directory` as of Selection.
  MemorySearch(std::string directory, std::optional<std::chrono::nanoseconds> interval);
  // Ends it after the process that is being searched.
  ~MemorySearch();
  MemorySearch(const MemorySearch&) = delete;
  MemorySearch& operator=(const MemorySearch&) = delete;

  // What the latest search has found in each of `snapshots`, of connections that were not used
  // since. Thread-safe.
  std::vector<Reachability> VerdictsFor(const std::vector<Snapshot>& snapshots) const;

  // How long the latest took; none yet. Thread-safe.
  std::optional<double> Seconds() const;

 private:
  struct Lost {
    uint64_t opened_ns = 0;
    uint64_t last_use_ns = 0;
    ConnectionReach reach;
  };
  // Of one process: lost connections by handle.
  using Verdicts = std::map<uint64_t, Lost>;

  void Work();
  void Search();
  bool IsStopping() const;

  const std::string directory_;
  const std::optional<std::chrono::nanoseconds> interval_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable stop_;
  bool stopping_ = false;
  std::map<std::string, Verdicts> verdicts_;  // by ledger
  std::optional<double> seconds_;
  std::thread thread_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_SEARCH_H_
