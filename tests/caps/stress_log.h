// SPDX-License-Identifier: Apache-2.0
//
// What the processes of the stress test write down, in memory that they share: it outlives a
// SIGKILL, up to the last store. All times are CLOCK_MONOTONIC in nanoseconds.

#ifndef PQLEASH_TESTS_CAPS_STRESS_LOG_H_
#define PQLEASH_TESTS_CAPS_STRESS_LOG_H_

#include <cstddef>
#include <cstdint>
#include <ctime>

namespace pqleash::stress {

inline constexpr int kProcesses = 8;
inline constexpr int kThreads = 8;
inline constexpr uint32_t kAttempts = 1 << 15;  // of a thread, over all its generations
inline constexpr uint32_t kLimit = 5;
inline constexpr uint64_t kTimeoutNs = 200'000'000;

enum Result : uint32_t { kUnanswered = 0, kConnected = 1, kRefused = 2, kFailed = 3 };

// One connect. Fields are stored in this order; 0: it did not come that far.
struct Attempt {
  uint64_t begun;     // before the connect
  uint64_t let_go;    // of an asynchronous one: when it was no longer parked; or as `answered`
  uint64_t answered;  // when it was established or refused
  uint64_t finished;  // before PQfinish
  int32_t backend;
  uint32_t generation;  // of the process
  uint32_t asynchronous;
  uint32_t result;  // Result
};

struct Thread {
  uint32_t count;  // attempts begun
  uint32_t reserved;
  Attempt attempts[kAttempts];
};

struct Log {
  uint32_t stop;  // 1: finish what was begun, and end
  uint32_t complaints;
  char complaint[512];  // the first
  Thread threads[kProcesses][kThreads];
};

inline uint64_t Now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// The client: connects and closes in a loop in kThreads threads. Returns the exit code.
int RunClient(Log* log, int process, uint32_t generation);
// Takes the whole limit at once, and finds no more. Returns the exit code.
int TakeAll();

}  // namespace pqleash::stress

#endif  // PQLEASH_TESTS_CAPS_STRESS_LOG_H_
