// SPDX-License-Identifier: Apache-2.0
//
// A board between real processes: killed, stopped and cancelled at any moment.

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "shim/caps/board.h"
#include "shim/caps/board_lock.h"
#include "shim/support/clock.h"
#include "tests/shim/board_fixture.h"
#include "tests/support/lateness.h"
#include "tests/support/wait_until.h"

namespace pqleash::caps {
namespace {

using pqleash::Now;
using pqleash::testing::Lateness;
using pqleash::testing::WaitUntil;
using testing::Bit;
using testing::CapOf;
using testing::Contradiction;
using testing::IdentityOf;
using testing::kMs;
using testing::kSecond;
using testing::SharedMemory;

constexpr BoardCapacity kCapacity = {256, 16, 4'096};

// What becomes of an upper bound on this machine, since `late` was made.
uint64_t Allowed(const Lateness& late, uint64_t ns) {
  return static_cast<uint64_t>(late.Allows(static_cast<double>(ns) / 1e9) * 1e9);
}

// A forked process that runs `body` and ends; killed by the destructor if it has not.
class Process {
 public:
  explicit Process(const std::function<void()>& body) : pid_(fork()) {
    if (pid_ != 0) return;
    body();
    _exit(0);
  }
  ~Process() { Kill(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  pid_t pid() const { return pid_; }
  void Signal(int number) const { kill(pid_, number); }
  void Kill() {
    Signal(SIGKILL);
    Wait();
  }
  void Wait() {
    if (!ended_) waitpid(pid_, nullptr, 0);
    ended_ = true;
  }
  bool Stopped() const {
    siginfo_t info = {};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
  }

 private:
  pid_t pid_;
  bool ended_ = false;
};

// What processes tell the test.
template <typename Values>
class Shared {
 public:
  Shared() : memory_(sizeof(Values)), values_(new (memory_.begin()) Values()) {}
  Values* operator->() { return values_; }

 private:
  SharedMemory memory_;
  Values* values_;
};

class BoardProcesses : public ::testing::Test {
 protected:
  BoardProcesses() : memory_(Board::Size(kCapacity)) {
    created_ = board_.Create(memory_.begin(), kCapacity, true, {}, nullptr);
    member_ = Join();
  }

  uint32_t Cap(uint32_t limit, OnLimit on_limit, uint64_t stamp = 1) {
    bool differs;
    return board_.Install(CapOf("cap" + std::to_string(++names_), limit, on_limit), "", kFromConfig,
                          0, stamp, Now(), &differs);
  }
  uint32_t Join() { return board_.Join(IdentityOf(getpid()), Now()); }
  Request Ask(uint64_t policies, uint32_t member) const {
    return {.member = member,
            .policies = policies,
            .label = kNoEntry,
            .slot = 0,
            .now = Now(),
            .deadline = 0,
            .may_wait = true,
            .parked = false};
  }
  Outcome Enter(uint64_t policies) { return board_.Enter(Ask(policies, member_)); }
  // To the end of the wait.
  Outcome Finish(Outcome outcome) {
    while (outcome.answer == Answer::kWait) outcome = board_.Await(outcome);
    return outcome;
  }
  void Close(const Outcome& outcome) { board_.Withdraw(outcome.entry, outcome.ticket, Now()); }

  SharedMemory memory_;
  Board board_;
  bool created_ = false;
  uint32_t member_ = kNoEntry;
  int names_ = 0;
};

TEST_F(BoardProcesses, WhoWaitsIsWokenAtOnce) {
  constexpr int kTurns = 100;
  struct Values {
    std::atomic<int> waits = 0;
    std::atomic<uint64_t> back[kTurns] = {};
  };
  Shared<Values> values;
  const uint32_t cap = Cap(1, kWait);
  Outcome held = Enter(Bit(cap));
  std::vector<uint64_t> left;
  const Lateness late;
  Process waiter([&] {
    const uint32_t member = Join();
    for (int i = 0; i < kTurns; ++i) {
      Outcome outcome = board_.Enter(Ask(Bit(cap), member));
      values->waits = i + 1;
      outcome = Finish(outcome);
      values->back[i] = Now();
      if (outcome.answer != Answer::kGo) _exit(1);
      Close(outcome);
      while (values->waits != -(i + 1)) sched_yield();  // the test holds the place again
    }
  });
  for (int i = 0; i < kTurns; ++i) {
    ASSERT_TRUE(WaitUntil([&] { return values->waits == i + 1; }));
    left.push_back(Now());
    Close(held);
    ASSERT_TRUE(WaitUntil([&] { return values->back[i] != 0; }));
    held = Finish(Enter(Bit(cap)));
    ASSERT_EQ(held.answer, Answer::kGo);
    values->waits = -(i + 1);
  }
  waiter.Wait();
  std::vector<uint64_t> latency;
  for (int i = 0; i < kTurns; ++i)
    latency.push_back(values->back[i] - left[static_cast<size_t>(i)]);
  std::sort(latency.begin(), latency.end());
  printf("from Withdraw to the return of Await: median %lu us, p99 %lu us\n",
         latency[kTurns / 2] / 1'000, latency[kTurns * 99 / 100] / 1'000);
  RecordProperty("median_us", static_cast<int>(latency[kTurns / 2] / 1'000));
  EXPECT_LT(latency[kTurns / 2], Allowed(late, 5 * kMs));
}

TEST_F(BoardProcesses, AWaitEndsAtItsDeadline) {
  const uint32_t cap = Cap(1, kWait);
  Enter(Bit(cap));
  const Lateness late;
  Request request = Ask(Bit(cap), member_);
  request.deadline = request.now + 150 * kMs;
  const Outcome outcome = Finish(board_.Enter(request));
  const uint64_t over = Now();
  EXPECT_EQ(outcome.answer, Answer::kTimedOut);
  EXPECT_GE(over, request.deadline);
  EXPECT_LT(over, request.deadline + Allowed(late, 100 * kMs));
}

TEST_F(BoardProcesses, WhoDiesWithTheLockIsRepaired) {
  const uint32_t cap = Cap(1, kWait);
  {
    Process process([&] {
      board_.Enter(Ask(Bit(cap), Join()));
      const BoardLock lock(&board_, Now());
      _exit(lock.held() ? 0 : 1);
    });
    process.Wait();
  }
  const uint32_t generation = board_.generation();
  const Outcome outcome = Finish(Enter(Bit(cap)));
  EXPECT_EQ(outcome.answer, Answer::kGo);
  EXPECT_EQ(board_.header().repairs, 1u);
  EXPECT_NE(board_.generation(), generation);
  EXPECT_EQ(board_.use(cap), 1u);
  Close(outcome);
  EXPECT_EQ(Contradiction(board_), "");
}

TEST_F(BoardProcesses, WhoeverStopsWithTheLockHoldsUpNobodyForLong) {
  struct Values {
    std::atomic<bool> has_lock = false;
  };
  Shared<Values> values;
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Enter(Bit(cap));
  Request request = Ask(Bit(cap), member_);
  request.deadline = request.now + 400 * kMs;
  Outcome waiting = board_.Enter(request);
  ASSERT_EQ(waiting.answer, Answer::kWait);
  Outcome cancelled = Enter(Bit(cap));
  ASSERT_EQ(cancelled.answer, Answer::kWait);
  Process process([&] {
    const BoardLock lock(&board_, Now());
    values->has_lock = true;
    raise(SIGSTOP);
  });
  ASSERT_TRUE(WaitUntil([&] { return values->has_lock && process.Stopped(); }));

  const Lateness late;
  uint64_t begin = Now();
  EXPECT_EQ(Enter(Bit(cap)).answer, Answer::kUncounted);
  const uint64_t first = Now() - begin;
  EXPECT_GE(first, kLockPatienceNs);
  EXPECT_LT(first, kLockPatienceNs + Allowed(late, 50 * kMs));
  begin = Now();
  EXPECT_EQ(Enter(Bit(cap)).answer, Answer::kUncounted) << "others know already";
  const uint64_t second = Now() - begin;
  EXPECT_LT(second, Allowed(late, 50 * kMs));
  Close(cancelled);
  int looks = 0;
  while (waiting.answer == Answer::kWait) {
    waiting = board_.Await(waiting);
    ++looks;
  }
  EXPECT_EQ(waiting.answer, Answer::kUncounted);
  EXPECT_LE(Now(), request.deadline + Allowed(late, 150 * kMs));
  EXPECT_LT(looks, 20) << "it does not spin";
  Close(held);  // without the lock
  EXPECT_EQ(board_.header().uncounted, 3u);

  process.Signal(SIGCONT);
  process.Wait();
  const Outcome next = Enter(Bit(cap));
  EXPECT_EQ(next.answer, Answer::kGo) << "the place was given back";
  EXPECT_EQ(board_.use(cap), 1u);
  EXPECT_EQ(board_.record(cap).waiting, 0u);
  Close(next);
  EXPECT_EQ(Contradiction(board_), "");
}

TEST_F(BoardProcesses, AGrantIsTakenEvenWithoutTheLock) {
  struct Values {
    std::atomic<bool> has_lock = false;
  };
  Shared<Values> values;
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Enter(Bit(cap));
  const Outcome waiting = Enter(Bit(cap));
  Close(held);
  Process process([&] {
    const BoardLock lock(&board_, Now());
    values->has_lock = true;
    raise(SIGSTOP);
  });
  ASSERT_TRUE(WaitUntil([&] { return values->has_lock && process.Stopped(); }));
  EXPECT_EQ(Finish(waiting).answer, Answer::kGo);
  process.Kill();
  EXPECT_EQ(board_.Look(waiting, Now()).answer, Answer::kGo);
  EXPECT_EQ(board_.header().repairs, 1u);
  EXPECT_EQ(board_.use(cap), 1u);
}

TEST_F(BoardProcesses, WhoGivesUpWithoutTheLockAndDiesLosesNoPlace) {
  struct Values {
    std::atomic<bool> has_lock = false;
    std::atomic<bool> gave_up = false;
  };
  Shared<Values> values;
  const uint32_t cap = Cap(1, kWait);
  Process user([&] {
    const uint32_t member = Join();
    const Outcome held = board_.Enter(Ask(Bit(cap), member));
    const Outcome waiting = board_.Enter(Ask(Bit(cap), member));
    while (!values->has_lock) sched_yield();
    board_.Withdraw(waiting.entry, waiting.ticket, Now());
    board_.Withdraw(held.entry, held.ticket, Now());
    values->gave_up = true;
    pause();
  });
  ASSERT_TRUE(WaitUntil([&] { return board_.record(cap).waiting == 1; }));
  Process holder([&] {
    const BoardLock lock(&board_, Now());
    values->has_lock = true;
    raise(SIGSTOP);
  });
  ASSERT_TRUE(WaitUntil([&] { return values->gave_up.load(); }));
  user.Kill();
  // As if it had died between the two steps of giving up.
  auto* header = static_cast<BoardHeader*>(memory_.begin());
  header->gone = 0;
  holder.Signal(SIGCONT);
  holder.Wait();
  EXPECT_EQ(Finish(Enter(Bit(cap))).answer, Answer::kGo);
  EXPECT_EQ(board_.use(cap), 1u);
  EXPECT_EQ(Contradiction(board_), "");
}

struct Wait {
  Board* board;
  Outcome outcome;
  std::atomic<bool> withdrawn = false;
};

void* WaitUntilCancelled(void* argument) {
  auto* wait = static_cast<Wait*>(argument);
  pthread_cleanup_push(
      [](void* each) {
        auto* given_up = static_cast<Wait*>(each);
        given_up->board->Withdraw(given_up->outcome.entry, given_up->outcome.ticket, Now());
        given_up->withdrawn = true;
      },
      wait);
  while (wait->outcome.answer == Answer::kWait) wait->outcome = wait->board->Await(wait->outcome);
  pthread_cleanup_pop(0);
  return nullptr;
}

TEST_F(BoardProcesses, AThreadThatWaitsCanBeCancelled) {
  Policy policy = CapOf("cap", 1, kWait);
  policy.rule.wait_timeout_ms = kMaxWaitTimeoutMs;  // it does not end by itself, on no machine
  bool differs;
  const uint32_t cap = board_.Install(policy, "", kFromConfig, 0, 1, Now(), &differs);
  const Outcome held = Enter(Bit(cap));
  for (int turn = 0; turn < 200; ++turn) {
    Wait wait = {&board_, Enter(Bit(cap))};
    const Outcome behind = Enter(Bit(cap));
    pthread_t thread;
    ASSERT_EQ(pthread_create(&thread, nullptr, WaitUntilCancelled, &wait), 0);
    if (turn % 2 == 0) {
      // Not at the very start only.
      for (int i = 0; i < turn; ++i) sched_yield();
    }
    pthread_cancel(thread);
    void* result = nullptr;
    pthread_join(thread, &result);
    ASSERT_EQ(result, PTHREAD_CANCELED);
    Close(behind);
    if (!wait.withdrawn) Close(wait.outcome);  // before it had pushed its handler
    ASSERT_EQ(board_.record(cap).waiting, 0u) << turn;
  }
  Close(held);
  EXPECT_EQ(board_.use(cap), 0u);
  EXPECT_EQ(Contradiction(board_), "");
}

// -------------------------------------------------------------------------------------------------

TEST_F(BoardProcesses, PlacesAreGivenInTheOrderOfArrival) {
  constexpr int kWaiters = 24;
  struct Values {
    std::atomic<int> arrived = 0;
    std::atomic<int> granted = 0;
    int order[kWaiters] = {};  // written by whoever holds the only place
  };
  Shared<Values> values;
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Enter(Bit(cap));
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < kWaiters; ++i) {
    processes.push_back(std::make_unique<Process>([&, i] {
      const uint32_t member = Join();
      while (values->arrived != i) sched_yield();
      const Outcome waiting = board_.Enter(Ask(Bit(cap), member));
      values->arrived = i + 1;
      const Outcome outcome = Finish(waiting);
      if (outcome.answer != Answer::kGo) _exit(1);
      values->order[values->granted++] = i;
      Close(outcome);
    }));
  }
  ASSERT_TRUE(WaitUntil([&] { return values->arrived == kWaiters; }));
  Close(held);
  for (const auto& process : processes) process->Wait();
  ASSERT_EQ(values->granted, kWaiters);
  for (int i = 0; i < kWaiters; ++i) EXPECT_EQ(values->order[i], i);
  EXPECT_EQ(Contradiction(board_), "");
}

TEST_F(BoardProcesses, KillsInTheMiddleOfChangesLeaveABoardThatAddsUp) {
  // The newest: a board that is full gives the places of the oldest away, in the middle of which a
  // process may die.
  const uint32_t cap = Cap(2, kWait, UINT64_MAX);
  const uint32_t other = Cap(1, kReject, UINT64_MAX);
  std::mt19937_64 random(3);
  // As often as it takes to hit a change in the middle now and then.
  const auto hits = [&] { return board_.header().repairs; };
  Lateness late;
  int turn = 0;
  for (; turn < 300 || (hits() <= 10 && turn < 3'000); ++turn) {
    struct Values {
      std::atomic<bool> runs = false;
    };
    Shared<Values> values;
    Process process([&] {
      const uint32_t member = Join();
      values->runs = true;
      for (uint64_t i = 0;; ++i) {
        Outcome outcomes[4];
        for (Outcome& each : outcomes) each = board_.Enter(Ask(Bit(cap), member));
        for (Outcome& each : outcomes) board_.Look(each, Now());
        board_.Recount(outcomes[0].entry, Bit(cap) | Bit(other), Now());
        Rule rule = board_.record(cap).rule;
        rule.limit = 1 + i % 3;
        board_.Override(cap, rule, 1, Now());
        for (const Outcome& each : outcomes) Close(each);
        bool differs;
        board_.Install(CapOf("mine" + std::to_string(i % 80), 1, kWait), "", kFromConfig, 0, i,
                       Now(), &differs);
      }
    });
    while (!values->runs) sched_yield();
    const uint64_t until = Now() + random() % (2 * kMs);
    while (Now() < until) {
    }
    process.Kill();
    late.Restart();
    // The one place is had at once, or as soon as the dead one is found.
    Rule rule = board_.record(cap).rule;
    rule.limit = 1;
    ASSERT_TRUE(board_.Override(cap, rule, 1, Now()));
    const Outcome outcome = Finish(Enter(Bit(cap)));
    ASSERT_EQ(outcome.answer, Answer::kGo) << turn;
    ASSERT_LT(outcome.waited_ns, Allowed(late, 100 * kMs)) << turn;
    Close(outcome);
    ASSERT_EQ(board_.use(cap), 0u) << turn;
    ASSERT_EQ(Contradiction(board_), "") << turn;
  }
  printf("%lu of %d kills were inside the lock\n", hits(), turn);
  EXPECT_GT(hits(), 10u);
}

// Processes with threads that connect, hold for a moment and close, while some of the processes are
// killed. Counted on the side: who uses what, in an array that tells the dead from the living.
class BoardStress : public BoardProcesses {
 protected:
  static constexpr size_t kProcesses = 6;
  static constexpr int kThreads = 4;
  static constexpr uint64_t kLate = 400 * kMs;
  static constexpr uint32_t kLimits[3] = {3, 5, 2};

  // Connections in the lower half; the upper changes with each of them.
  struct PerProcess {
    std::atomic<uint64_t> use[3] = {};
  };
  static constexpr uint64_t kChange = uint64_t{1} << 32;
  struct Values {
    std::atomic<bool> stop = false;
    PerProcess processes[kProcesses];
    std::atomic<uint64_t> grants = 0;
    std::atomic<uint64_t> waits = 0;
    std::atomic<uint64_t> timed_out = 0;
    std::atomic<uint64_t> uncounted = 0;
    std::atomic<uint64_t> most_late_ns = 0;
    std::atomic<uint64_t> late = 0;  // by more than kLate
  };

  static void Raise(std::atomic<uint64_t>& most, uint64_t value) {
    uint64_t before = most;
    while (before < value && !most.compare_exchange_weak(before, value)) {
    }
  }

  void Work(Values* values, size_t process, uint32_t member, uint64_t seed) {
    std::mt19937_64 random(seed);
    PerProcess& own = values->processes[process];
    while (!values->stop) {
      const uint64_t both = random() % 4 == 0 ? 1u << random() % 3 : 0u;
      const uint64_t policies = Bit(random() % 3) | both;
      Request request = Ask(policies, member);
      request.deadline = request.now + (random() % 8 == 0 ? 2 + random() % 20 : 5'000) * kMs;
      Outcome outcome = board_.Enter(request);
      const bool waited = outcome.answer == Answer::kWait;
      if (waited) ++values->waits;
      if (waited && random() % 16 == 0) {
        board_.Withdraw(outcome.entry, outcome.ticket, Now());
        continue;
      }
      outcome = Finish(outcome);
      const uint64_t now = Now();
      if (now > request.deadline) Raise(values->most_late_ns, now - request.deadline);
      if (now > request.deadline + kLate) ++values->late;
      if (outcome.answer == Answer::kUncounted) ++values->uncounted;
      if (outcome.answer == Answer::kTimedOut) ++values->timed_out;
      if (outcome.answer != Answer::kGo) continue;
      ++values->grants;
      for (uint32_t i = 0; i < 3; ++i) {
        if ((policies & Bit(i)) == 0) continue;
        own.use[i] += kChange + 1;
      }
      for (int i = 0; i < 20; ++i) sched_yield();
      for (uint32_t i = 0; i < 3; ++i) {
        if ((policies & Bit(i)) == 0) continue;
        own.use[i] += kChange - 1;
      }
      board_.Withdraw(outcome.entry, outcome.ticket, Now());
    }
  }

  // Connections at policy `p` at one moment, as the processes say: no more than there are, since a
  // place is counted after it was granted and no longer before it is given back. -1: it changed
  // while it was read.
  static int Use(const Values& values, uint32_t p) {
    uint64_t seen[kProcesses];
    int use = 0;
    for (size_t i = 0; i < kProcesses; ++i) {
      seen[i] = values.processes[i].use[p];
      use += static_cast<int>(seen[i] % kChange);
    }
    for (size_t i = 0; i < kProcesses; ++i) {
      if (values.processes[i].use[p] != seen[i]) return -1;
    }
    return use;
  }

  bool AllPlacesAreFree() {
    for (uint32_t p = 0; p < 3; ++p) {
      std::vector<Outcome> all;
      for (uint32_t i = 0; i < kLimits[p]; ++i) {
        Request request = Ask(Bit(p), member_);
        request.may_wait = false;
        all.push_back(board_.Enter(request));
      }
      const bool free = all.back().answer == Answer::kGo;
      for (const Outcome& each : all) Close(each);
      if (!free) return false;
    }
    return true;
  }

  std::unique_ptr<Process> Start(Values* values, size_t process, uint64_t seed) {
    return std::make_unique<Process>([=, this] {
      const uint32_t member = Join();
      std::vector<std::thread> threads;
      for (int i = 0; i < kThreads; ++i)
        threads.emplace_back([=, this] { Work(values, process, member, seed + 1'000 * i); });
      for (std::thread& thread : threads) thread.join();
    });
  }
};

TEST_F(BoardStress, ProcessesAreKilledAndNoLimitIsExceededAndNoPlaceLost) {
  for (const uint32_t limit : kLimits) Cap(limit, kWait);
  Shared<Values> values;
  std::unique_ptr<Process> processes[kProcesses];
  uint64_t seed = 1;
  for (size_t i = 0; i < kProcesses; ++i) processes[i] = Start(values.operator->(), i, ++seed);
  std::mt19937_64 random(7);
  uint64_t kills = 0;
  uint64_t samples = 0;
  int most[3] = {};
  uint64_t last_ticket[3] = {};
  uint64_t overtaken = 0;
  // For four seconds, and until enough has happened: a busy machine takes longer.
  const auto enough = [&] {
    for (uint32_t p = 0; p < 3; ++p)
      if (most[p] < static_cast<int>(kLimits[p])) return false;
    return samples > 1'000 && values->grants > 1'000 && values->waits > 100;
  };
  const uint64_t begin = Now();
  const auto passed = [&] { return Now() - begin; };
  while (passed() < 4 * kSecond || (!enough() && passed() < 60 * kSecond)) {
    const uint64_t until = Now() + random() % (8 * kMs);
    while (Now() < until) {
      for (uint32_t p = 0; p < 3; ++p) {
        const int use = Use(*values.operator->(), p);
        if (use >= 0) ++samples;
        most[p] = std::max(most[p], use);
        const uint64_t ticket = __atomic_load_n(&board_.record(p).last_ticket, __ATOMIC_RELAXED);
        if (ticket < last_ticket[p]) ++overtaken;
        last_ticket[p] = ticket;
      }
      sched_yield();
    }
    const size_t victim = random() % kProcesses;
    processes[victim]->Kill();
    for (std::atomic<uint64_t>& use : values->processes[victim].use) use = 0;
    ++kills;
    processes[victim] = Start(values.operator->(), victim, ++seed);
  }
  values->stop = true;
  for (auto& process : processes) process->Wait();
  // What the killed ones left is found by the next that is held back.
  EXPECT_TRUE(WaitUntil([&] {
    const BoardLock lock(&board_, Now());
    return lock.held();
  }));
  EXPECT_TRUE(WaitUntil([&] { return AllPlacesAreFree(); })) << "places are lost";
  for (uint32_t p = 0; p < 3; ++p) {
    EXPECT_EQ(board_.use(p), 0u) << p;
    EXPECT_EQ(board_.record(p).waiting, 0u) << p;
    EXPECT_LE(board_.record(p).peak, kLimits[p]) << p;
  }
  EXPECT_EQ(Contradiction(board_), "");
  for (uint32_t p = 0; p < 3; ++p)
    EXPECT_EQ(most[p], static_cast<int>(kLimits[p])) << "used to the full, and never beyond";
  // Whoever was passed over comes back with an earlier ticket.
  EXPECT_LE(overtaken, board_.header().passed_over) << "not in the order of the tickets";
  EXPECT_GT(samples, 1'000u);
  EXPECT_GT(values->grants, 1'000u);
  EXPECT_GT(values->waits, 100u);
  printf(
      "%lu kills, %lu repairs; %lu grants, %lu waits, %lu timed out, %lu uncounted; latest %.1f ms "
      "after its deadline\n",
      kills, board_.header().repairs, values->grants.load(), values->waits.load(),
      values->timed_out.load(), values->uncounted.load(),
      static_cast<double>(values->most_late_ns) / kMs);
  // Of a machine that is busy with something else a few may be.
  EXPECT_LE(values->late * 50, values->waits) << "too many wait long after their deadline";
}

}  // namespace
}  // namespace pqleash::caps
