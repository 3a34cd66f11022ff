// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_SUPPORT_LATENESS_H_
#define PQLEASH_TESTS_SUPPORT_LATENESS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace pqleash::testing {

// By how much this machine makes plain sleepers late, from the construction on: the reference that
// an upper bound of a time is judged by. On each processor that this process may use a thread
// sleeps for a few milliseconds again and again, which is all that it does.
//
// A bound of T seconds is `Allows(T)`: T on a machine at rest, and on a busy one T and a multiple
// of the latest that any of the sleepers was. What is judged is thread-switches away from a plain
// sleep, and each of them may be late. A library that sleeps for too long is late on any machine,
// and the sleepers are not.
//
// Threads of this process are all that it takes. May be asked by any thread.
class Lateness {
 public:
  Lateness();
  ~Lateness();
  Lateness(const Lateness&) = delete;
  Lateness& operator=(const Lateness&) = delete;

  // Forgets what was seen so far.
  void Restart();
  // The latest that a sleeper was, in seconds. One that has not woken yet counts.
  double Worst() const;
  double Allows(double seconds) const { return seconds + kTimes * Worst(); }

  static constexpr double kTimes = 10;

 private:
  struct Sleeper {
    std::atomic<int64_t> due_ns = 0;  // when it ought to wake; 0: it does not sleep
    std::atomic<int64_t> worst_ns = 0;
    std::thread thread;
  };
  void Sleep(Sleeper* sleeper, int processor) const;

  std::atomic<bool> stop_ = false;
  std::vector<std::unique_ptr<Sleeper>> sleepers_;
};

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_SUPPORT_LATENESS_H_
