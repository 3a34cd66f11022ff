// SPDX-License-Identifier: Apache-2.0
//
// Reads all ledgers again and again, once for all who ask.

#ifndef PQLEASH_REPORTER_SERVE_OBSERVER_H_
#define PQLEASH_REPORTER_SERVE_OBSERVER_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "reporter/findings/severity.h"
#include "reporter/observe/pipeline.h"
#include "reporter/serve/hook.h"
#include "reporter/serve/news.h"
#include "reporter/serve/search.h"
#include "reporter/serve/tally.h"

namespace pqleash::reporter {

class Observer {
 public:
  struct Options {
    std::string directory;  // as of Selection
    std::chrono::nanoseconds interval = std::chrono::seconds(5);
    size_t top = 10;
    FindingLevel on_finding = {};  // the hook is called for findings of this level
  };

  // `hook` may be nullptr; `search` and `hook` must outlive the observer.
  Observer(Options options, const MemorySearch* search, Hook* hook);
  // Ends it after the reading that is under way.
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  // Of the latest reading; nullptr: there is none yet. Thread-safe, and never waits for a reading.
  std::shared_ptr<const std::string> Metrics() const;
  // Whether there was a reading lately. Thread-safe.
  bool IsHealthy() const;
  // The document of `report`, from ledgers that are read for it. Thread-safe.
  std::string ReportText() const;

 private:
  void Work();
  void Read();
  // Calls the hook for findings that were not there before. Names the call sites for it.
  void ReportNews(const std::vector<Finding>& findings, Analysis* analysis);
  // The id that stands for all call sites with the same stack, as far as names were looked up.
  uint64_t SameStack(uint64_t call_site) const;
  void RememberSameStacks(const std::vector<CallSiteGroup>& call_sites);
  void LogProblems(const std::vector<std::string>& incomplete);

  const Options options_;
  const MemorySearch* const search_;
  Hook* const hook_;

  // Of the reading thread alone.
  Tally tally_;
  std::set<std::string> logged_;  // problems of the reading before
  News news_;
  std::map<uint64_t, uint64_t> same_stack_;  // kMaxSameStacks at most
  uint64_t readings_ = 0;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable stop_;
  bool stopping_ = false;
  std::shared_ptr<const std::string> metrics_;
  std::chrono::steady_clock::time_point read_at_;
  std::chrono::steady_clock::duration reading_took_{};

  std::thread thread_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_OBSERVER_H_
