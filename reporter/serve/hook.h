// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_HOOK_H_
#define PQLEASH_REPORTER_SERVE_HOOK_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace pqleash::reporter {

// What a command is told about one finding.
struct HookCall {
  std::string input;  // of its stdin
  std::vector<std::pair<std::string, std::string>> variables;
};

// Runs a command of the operator's for each call, one at a time, by a thread of its own.
class Hook {
 public:
  struct Bounds {
    std::chrono::milliseconds time = std::chrono::seconds(30);  // then it is killed
    size_t burst = 10;                                          // runs without a pause
    std::chrono::milliseconds pause = std::chrono::seconds(6);  // for each one more
    size_t waiting = 100;                                       // calls; more are dropped, and said
  };

  // `command` is for /bin/sh -c. Its stdout goes to stderr.
  Hook(std::string command, Bounds bounds);
  // Ends the command that runs, and drops those that wait.
  ~Hook();
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  // Never blocks. Thread-safe.
  void Call(HookCall call);

 private:
  void Work();
  // Waits until a run is due. False: it is time to end.
  bool AwaitTurn();
  void Run(const HookCall& call);
  bool IsStopping() const;

  const std::string command_;
  const Bounds bounds_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<HookCall> calls_;
  bool stopping_ = false;
  std::deque<std::chrono::steady_clock::time_point> runs_;  // the latest, of Work alone
  std::thread thread_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_HOOK_H_
