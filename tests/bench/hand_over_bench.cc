// SPDX-License-Identifier: Apache-2.0
//
// How long after PQfinish in one process a connect that waits in another goes on, with a cap of one
// connection of the service. Against the stand-in for libpq: nothing but the hand-over takes time.
// Two processes take turns at holding the place. Prints the medians in nanoseconds, of waiting in
// place and of a parked connect, until poll() has returned.
//
//   hand_over_bench [TURNS]

#include <libpq-fe.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

namespace {

constexpr int kMaxTurns = 10'000;
constexpr useconds_t kUntilAsleep = 2'000;

struct Shared {
  std::atomic<bool> begun;      // the first has the place
  std::atomic<int> arrived;     // the turn whose waiter is about to wait
  std::atomic<int> taken;       // the turn whose waiter has the place
  std::atomic<uint64_t> freed;  // when its holder has called PQfinish
  uint64_t took[2][kMaxTurns];  // in place, parked
};

uint64_t Now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// Returns when it may go on.
uint64_t ConnectInPlace(PGconn** conn) {
  *conn = PQconnectdb("");
  return Now();
}

uint64_t ConnectParked(PGconn** conn) {
  *conn = PQconnectStart("standin_polls=1");
  PostgresPollingStatusType polled = PQconnectPoll(*conn);
  if (polled == PGRES_POLLING_READING) {
    pollfd descriptor = {PQsocket(*conn), POLLIN, 0};
    poll(&descriptor, 1, -1);
  }
  const uint64_t now = Now();
  while (polled != PGRES_POLLING_OK && polled != PGRES_POLLING_FAILED)
    polled = PQconnectPoll(*conn);
  return now;
}

// Process `self` of two holds the place in the turns with its own parity.
void TakeTurns(Shared* shared, int self, int turns, bool parked) {
  PGconn* conn = nullptr;
  if (self == 0) {
    ConnectInPlace(&conn);
    shared->begun = true;
  }
  while (!shared->begun.load()) sched_yield();
  for (int turn = 0; turn < turns; ++turn) {
    if (turn % 2 == self) {
      while (shared->arrived.load() != turn + 1) sched_yield();
      usleep(kUntilAsleep);
      shared->freed = Now();
      PQfinish(conn);
      conn = nullptr;
      // It may have been kept from a processor for so long that it is not waiting yet.
      while (shared->taken.load() != turn + 1) sched_yield();
    } else {
      shared->arrived = turn + 1;
      const uint64_t went_on = parked ? ConnectParked(&conn) : ConnectInPlace(&conn);
      if (PQstatus(conn) != CONNECTION_OK) {
        fprintf(stderr, "hand_over_bench: %s", PQerrorMessage(conn));
        _exit(1);
      }
      shared->taken = turn + 1;
      shared->took[parked ? 1 : 0][turn] = went_on - shared->freed.load();
    }
  }
  PQfinish(conn);
}

uint64_t MedianOf(const uint64_t (&took)[kMaxTurns], int turns) {
  std::vector<uint64_t> sorted(took, took + turns);
  std::sort(sorted.begin(), sorted.end());
  return sorted[sorted.size() / 2];
}

}  // namespace

int main(int count, char** words) {
  const int turns =
      count == 2 ? std::clamp(atoi(words[1]), 10, kMaxTurns) : 500;  // NOLINT(cert-err34-c)
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  auto* shared = new (memory) Shared();
  for (const bool parked : {false, true}) {
    shared->arrived = 0;
    shared->taken = 0;
    shared->begun = false;
    pid_t children[2];
    for (int self = 0; self < 2; ++self) {
      children[self] = fork();
      if (children[self] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        TakeTurns(shared, self, turns, parked);
        _exit(0);
      }
    }
    for ([[maybe_unused]] const pid_t child : children) {
      int status = 0;
      waitpid(-1, &status, 0);
      if (status != 0) return 1;  // the other goes with us
    }
  }
  printf("{\"in_place\": %llu, \"parked\": %llu}\n",
         static_cast<unsigned long long>(MedianOf(shared->took[0], turns)),
         static_cast<unsigned long long>(MedianOf(shared->took[1], turns)));
  return 0;
}
