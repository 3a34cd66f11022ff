// SPDX-License-Identifier: Apache-2.0
//
// Runs the work again and again, each time with another one of the things failing that can fail,
// until nothing was left to fail, and prints what was seen where that is not what is seen
// otherwise.

#ifndef PQLEASH_TESTS_FAULTS_PROGRAMS_NTH_H_
#define PQLEASH_TESTS_FAULTS_PROGRAMS_NTH_H_

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/faults/programs/work.h"

namespace faults {

// Which ones fail: number `first` alone, or that and all behind it. Counted from 1; 0: none.
struct Order {
  uint32_t first;
  bool all_behind;
};

// In memory that outlives the host.
struct Attempt {
  Seen seen;
  uint32_t count;       // what could have failed
  int32_t last_failed;  // number of the system call that failed last; -1: none
};

inline constexpr unsigned kLimit = 10;  // seconds

// What fails, and how it is made to. In the child alone, but for Forgives.
class Fault {
 public:
  virtual ~Fault() = default;
  virtual void Begin(const Order& order, Attempt* attempt) = 0;
  virtual void Pause() = 0;  // nothing fails nor is counted
  virtual void Resume() = 0;
  // Descriptors that are left open, and a signal mask that is another one, have a reason.
  virtual bool Forgives(const Order& order, const Attempt& attempt) const = 0;
};

// A child that works under an order, to its very end. Returns its status.
inline int RunOnce(const Order& order, void (*work)(Seen*), Fault& fault, Attempt* attempt) {
  *attempt = {};
  attempt->last_failed = -1;
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(kLimit);
    const Surroundings surroundings;
    fault.Begin(order, attempt);
    work(&attempt->seen);
    fault.Pause();
    surroundings.Compare(&attempt->seen);
    fault.Resume();
    exit(3);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

inline void Print(const char* what, const Attempt& attempt, int status) {
  printf("%s: %s, descriptors %+d, mask %u, %s %d\n", what, attempt.seen.calls,
         attempt.seen.descriptors, attempt.seen.mask_changed,
         WIFEXITED(status) ? "exit code" : "signal",
         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

inline void TryEach(void (*work)(Seen*), Fault& fault) {
  void* shared =
      mmap(nullptr, sizeof(Attempt), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) exit(1);
  auto* attempt = static_cast<Attempt*>(shared);
  const int normal = RunOnce({0, false}, work, fault, attempt);
  const Seen expected = attempt->seen;
  Print("none fails", *attempt, normal);
  uint32_t tried = 0;
  for (Order order = {1, false};; ++order.first) {
    const int status = RunOnce(order, work, fault, attempt);
    if (attempt->count < order.first && status == normal) {  // there was nothing left to fail
      if (order.all_behind) break;
      order = {0, true};
      continue;
    }
    ++tried;
    if (fault.Forgives(order, *attempt)) {
      attempt->seen.descriptors = expected.descriptors;
      attempt->seen.mask_changed = expected.mask_changed;
    }
    if (status == normal && memcmp(&attempt->seen, &expected, sizeof(expected)) == 0) continue;
    char what[80];
    snprintf(what, sizeof(what), "number %u%s fails (last: system call %d)", order.first,
             order.all_behind ? " and all behind it" : "", attempt->last_failed);
    Print(what, *attempt, status);
  }
  fprintf(stderr, "tried %u\n", tried);
}

// The heap must not need the kernel while things fail: the host is not what is tried.
void WarmHeap();

}  // namespace faults

#endif  // PQLEASH_TESTS_FAULTS_PROGRAMS_NTH_H_
