// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a place, and everything that can happen meanwhile.

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/caps/capped.h"
#include "tests/e2e/observed.h"
#include "tests/support/lateness.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

const char* const kLong = "wait_timeout = \"30s\"";

// A place that was freed is somebody else's within this, on a machine that makes nobody late:
// nobody polls for it.
constexpr double kPromptly = 0.25;
// And who waits goes on so long after his time-out at most, on such a machine.
constexpr double kAfter = 0.1;

class Waiting : public ::testing::Test {
 protected:
  // A blocking and a parked connect that wait behind a holder with the only place.
  struct Two {
    int blocking;
    int parked;
  };
  Two QueueTwo(Capped& program, uint32_t use = 1) {
    Two two = {};
    two.blocking = program.Begin("open", "blocking");
    EXPECT_TRUE(caps_.Reaches("db", use, 1));
    two.parked = program.Begin("start", "parked");
    EXPECT_TRUE(caps_.Reaches("db", use, 2));
    return two;
  }

  // Whether `condition` comes to hold within `seconds`, and what this machine makes of them.
  static ::testing::AssertionResult Within(double seconds, const std::function<bool()>& condition) {
    const Lateness late;
    const auto begin = std::chrono::steady_clock::now();
    if (!WaitUntil(condition)) return ::testing::AssertionFailure() << "it did not happen";
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    if (took.count() <= late.Allows(seconds)) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << "it took " << took.count() << " s; a plain sleeper was late by " << late.Worst()
           << " s at most";
  }

  Caps caps_;
};

// -------------------------------------------------------------------------------------------------
// Bounds.

TEST_F(Waiting, EndsAtItsTimeout) {
  for (const char* scope : {"process", "service"}) {
    Caps caps;
    caps.Configure(Cap(scope, 1, "wait", "wait_timeout = \"600ms\""));
    Capped program = caps.Run();
    ASSERT_TRUE(program.Open("a").ok);
    for (const char* verb : {"open", "start"}) {
      const Lateness late;
      const Connected refused = program.ResultOf(program.Begin(verb, verb));
      EXPECT_FALSE(refused.ok);
      EXPECT_GE(refused.seconds, 0.6) << scope << ' ' << verb;
      EXPECT_LE(refused.seconds, late.Allows(0.6 + kAfter)) << scope << ' ' << verb;
      EXPECT_EQ(refused.text.find("pqleash refused this connection because cap \"db\""), 0u)
          << refused;
      EXPECT_TRUE(SaysThatItWaited(refused.text, 0.6, refused.seconds)) << refused;
      EXPECT_EQ(caps.State("db"), (PolicyState{1, 0, 1}));
      program.Close(verb);
    }
  }
}

TEST_F(Waiting, BothEndAtTheirTimeoutThoughNobodyFreesAnything) {
  caps_.Configure(Cap("service", 1, "wait", "wait_timeout = \"1s\""));
  Capped holder = caps_.Run();
  ASSERT_TRUE(holder.Open("a").ok);
  Capped program = caps_.Run();
  Capped other = caps_.Run();
  std::vector<std::pair<Capped*, int>> commands;
  const Lateness late;
  for (int i = 0; i < 4; ++i) {
    for (Capped* process : {&program, &other}) {
      commands.emplace_back(process,
                            process->Begin(i % 2 == 0 ? "open" : "start", "c" + std::to_string(i)));
    }
  }
  ASSERT_TRUE(caps_.Reaches("db", 1, 8));
  // Nobody is there any more who would give anything back.
  kill(holder.pid(), SIGSTOP);
  for (const auto& [process, command] : commands) {
    const Connected refused = process->ResultOf(command);
    EXPECT_FALSE(refused.ok);
    EXPECT_GE(refused.seconds, 1.0);
    EXPECT_LE(refused.seconds, late.Allows(1.0 + kAfter));
  }
  kill(holder.pid(), SIGCONT);
}

// Whoever wins, the place is either his or free.
TEST_F(Waiting, MayEndAtTheMomentOfTheGrant) {
  constexpr int kTimeout = 60;
  caps_.Configure(Cap("service", 1, "wait", "wait_timeout = \"60ms\""));
  Capped holder = caps_.Run();
  Capped program = caps_.Run();
  int connected = 0;
  for (int round = 0; round < 40; ++round) {
    ASSERT_TRUE(holder.Open("a").ok);
    const int waiting = program.Begin(round % 2 == 0 ? "open" : "start", "b");
    WaitUntil([] { return false; }, milliseconds(kTimeout - 4 + round / 2 % 8));
    holder.Close("a");
    const Connected result = program.ResultOf(waiting);
    connected += result.ok;
    EXPECT_TRUE(caps_.Reaches("db", result.ok ? 1 : 0, 0)) << result;
    program.Close("b");
    EXPECT_EQ(caps_.State("db"), (PolicyState{0, 0, 1}));
  }
  RecordProperty("connected", connected);
}

TEST_F(Waiting, CountsAgainstConnectTimeout) {
  caps_.Configure(Cap("service", 1, "wait", kLong));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  const Lateness late;
  const Connected refused = program.Open("b", "connect_timeout=2");
  EXPECT_FALSE(refused.ok);
  EXPECT_GE(refused.seconds, 1.9);
  EXPECT_LE(refused.seconds, late.Allows(2.0 + kAfter));
  EXPECT_EQ(caps_.State("db").waiting, 0u);
  const Outcome listed = caps_.Tool({"caps", "db", "--format", "json"});
  EXPECT_NE(listed.out.find("\"timed_out_total\": 1"), std::string::npos) << listed.out;
  // What is left of it is for the connect itself.
  const int waiting = program.Begin("open", "c", "connect_timeout=5");
  ASSERT_TRUE(caps_.Reaches("db", 1, 1));
  program.Close("a");
  EXPECT_TRUE(program.ResultOf(waiting).ok);
}

TEST_F(Waiting, NoMoreThanMaxWaiting) {
  caps_.Configure(Cap("service", 1, "wait", std::string(kLong) + "\nmax_waiting = 2"));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  const Two two = QueueTwo(program);
  for (const char* verb : {"open", "start"}) {
    const Lateness late;
    const Connected refused = program.ResultOf(program.Begin(verb, verb));
    EXPECT_FALSE(refused.ok);
    EXPECT_LT(refused.seconds, late.Allows(kAfter));
    EXPECT_NE(refused.text.find("2 wait already"), std::string::npos) << refused;
  }
  program.Close("a");
  EXPECT_TRUE(program.ResultOf(two.blocking).ok);
  const int waiting = program.Begin("open", "c");  // there is room in the queue again
  ASSERT_TRUE(caps_.Reaches("db", 1, 2));
  program.Close("blocking");
  EXPECT_TRUE(program.ResultOf(two.parked).ok);
  program.Close("parked");
  EXPECT_TRUE(program.ResultOf(waiting).ok);
}

// The first calls of a process, by several threads at once: that none of them finds the library in
// the middle of finding libpq.
TEST_F(Waiting, IsParkedWhereAllThreadsOfANewProcessStartAtOnce) {
  caps_.Configure(Cap("service", 1, "wait", kLong));
  Capped holder = caps_.Run();
  ASSERT_TRUE(holder.Open("a").ok);
  for (int round = 0; round < 10; ++round) {
    Capped program = caps_.Run();
    std::vector<int> commands;
    for (int i = 0; i < 8; ++i) commands.push_back(program.Begin("together", std::to_string(i)));
    program.Meet();
    EXPECT_TRUE(caps_.Reaches("db", 1, 8)) << "of round " << round;
    program.Kill();
  }
}

TEST_F(Waiting, IsInTheOrderOfArrivalOverProcessesAndThreads) {
  caps_.Configure(Cap("user", 1, "wait", kLong));
  Capped holder = caps_.Run("holder");
  ASSERT_TRUE(holder.Open("a").ok);
  Capped one = caps_.Run("one");
  Capped two = caps_.Run("two");
  Capped child = two.Fork();
  std::vector<std::pair<Capped*, int>> commands;
  Capped* const kProcesses[] = {&one, &two, &child};
  const auto name = [](size_t i) { return "c" + std::to_string(i); };
  for (size_t i = 0; i < 9; ++i) {
    Capped* process = kProcesses[i % 3];
    commands.emplace_back(process, process->Begin(i / 3 % 2 == 0 ? "open" : "start", name(i)));
    ASSERT_TRUE(caps_.Reaches("db", 1, static_cast<uint32_t>(i + 1)));
  }
  holder.Close("a");
  for (size_t i = 0; i < commands.size(); ++i) {
    const auto& [process, command] = commands[i];
    EXPECT_TRUE(process->ResultOf(command).ok);
    ASSERT_TRUE(caps_.Reaches("db", 1, static_cast<uint32_t>(commands.size() - i - 1)));
    if (i + 1 < commands.size()) {
      EXPECT_FALSE(commands[i + 1].first->HasAnswered(commands[i + 1].second));
    }
    process->Close(name(i));
  }
}

// -------------------------------------------------------------------------------------------------
// Holders that go.

TEST_F(Waiting, ForAHolderThatIsKilled) {
  caps_.Configure(Cap("service", 2, "wait", kLong));
  Capped holder = caps_.Run();
  ASSERT_TRUE(holder.Open("a").ok);
  ASSERT_TRUE(holder.Start("b").ok);
  Capped program = caps_.Run();
  const Two two = QueueTwo(program, 2);
  holder.Kill();
  EXPECT_TRUE(Within(kPromptly, [&] { return program.HasAnswered(two.blocking); }));
  EXPECT_TRUE(Within(kPromptly, [&] { return program.HasAnswered(two.parked); }));
  EXPECT_TRUE(program.ResultOf(two.blocking).ok);
  EXPECT_TRUE(program.ResultOf(two.parked).ok);
  EXPECT_EQ(caps_.State("db"), (PolicyState{2, 0, 2}));
}

TEST_F(Waiting, ForAForkedHolderThatLeaves) {
  caps_.Configure(Cap("service", 1, "wait", kLong));
  Capped program = caps_.Run();
  using End = void (Capped::*)();
  const End kEnds[] = {&Capped::Exit, &Capped::Leave, &Capped::Kill};
  for (const End end : kEnds) {
    Capped child = program.Fork();
    ASSERT_TRUE(child.Open("held").ok);
    const Two two = QueueTwo(program);
    (child.*end)();
    EXPECT_TRUE(Within(kPromptly, [&] { return program.HasAnswered(two.blocking); }));
    EXPECT_TRUE(program.ResultOf(two.blocking).ok);
    program.Close("blocking");
    EXPECT_TRUE(program.ResultOf(two.parked).ok);
    program.Close("parked");
    EXPECT_EQ(caps_.State("db"), (PolicyState{0, 0, 1}));
  }
}

TEST_F(Waiting, ForAHolderThatBecomesAnotherProgram) {
  caps_.Configure(Cap("service", 1, "wait", kLong));
  Capped holder = caps_.Run();
  ASSERT_TRUE(holder.Open("a").ok);
  Capped program = caps_.Run();
  const Two two = QueueTwo(program);
  holder.Exec();
  // Its process id lives on: it is told from the old one by a look that is taken once a second.
  EXPECT_TRUE(Within(1 + kPromptly, [&] { return program.HasAnswered(two.blocking); }));
  EXPECT_TRUE(program.ResultOf(two.blocking).ok);
  program.Close("blocking");
  EXPECT_TRUE(program.ResultOf(two.parked).ok);
  const int third = holder.Begin("open", "c");
  ASSERT_TRUE(caps_.Reaches("db", 1, 1)) << "the new image is not capped";
  program.Close("parked");
  EXPECT_TRUE(holder.ResultOf(third).ok);
}

// -------------------------------------------------------------------------------------------------
// Waiters that go.

TEST_F(Waiting, IsOverForOneThatIsKilled) {
  caps_.Configure(Cap("service", 1, "wait", kLong));
  Capped holder = caps_.Run();
  ASSERT_TRUE(holder.Open("a").ok);
  Capped first = caps_.Run();
  QueueTwo(first);
  Capped second = caps_.Run();
  const int waiting = second.Begin("open", "c");
  ASSERT_TRUE(caps_.Reaches("db", 1, 3));
  first.Kill();
  EXPECT_TRUE(caps_.Reaches("db", 1, 1));
  holder.Close("a");
  EXPECT_TRUE(Within(kPromptly, [&] { return second.HasAnswered(waiting); }));
  EXPECT_TRUE(second.ResultOf(waiting).ok);
}

TEST_F(Waiting, IsOverForAThreadThatIsCancelled) {
  for (const char* scope : {"process", "service"}) {
    Caps caps;
    caps.Configure(Cap(scope, 1, "wait", kLong));
    Capped program = caps.Run();
    ASSERT_TRUE(program.Open("a").ok);
    program.Begin("open", "cancelled");
    ASSERT_TRUE(caps.Reaches("db", 1, 1));
    const int waiting = program.Begin("open", "next");
    ASSERT_TRUE(caps.Reaches("db", 1, 2));
    program.Abandon("cancelled");
    EXPECT_TRUE(caps.Reaches("db", 1, 1));
    EXPECT_FALSE(program.HasAnswered(waiting));
    program.Close("a");
    EXPECT_TRUE(program.ResultOf(waiting).ok);
    EXPECT_EQ(caps.State("db"), (PolicyState{1, 0, 1}));
    program.Close("next");
    EXPECT_EQ(caps.State("db"), (PolicyState{0, 0, 1}));
  }
}

// The thread that waits in poll() is cancelled there; nobody calls PQfinish. The place is lost to
// the process as its PGconn is, and free when it ends.
TEST_F(Waiting, OfAParkedConnectThatNobodyFinishesIsOverWithItsProcess) {
  caps_.Configure(Cap("service", 1, "wait", kLong));
  Capped program = caps_.Run();
  Capped other = caps_.Run();
  ASSERT_TRUE(other.Open("a").ok);
  program.Begin("start", "cancelled");
  ASSERT_TRUE(caps_.Reaches("db", 1, 1));
  const int waiting = other.Begin("open", "next");
  ASSERT_TRUE(caps_.Reaches("db", 1, 2));
  program.Abandon("cancelled");
  other.Close("a");
  program.Exit();
  EXPECT_TRUE(other.ResultOf(waiting).ok);
}

TEST_F(Waiting, GoesOnAfterASignal) {
  caps_.Configure(Cap("service", 1, "wait", kLong));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  const Two two = QueueTwo(program);
  for (int i = 0; i < 3; ++i) program.Interrupt("blocking");
  EXPECT_TRUE(program.Says("handled"));
  program.Interrupt("parked");
  EXPECT_FALSE(program.HasAnswered(two.blocking));
  EXPECT_FALSE(program.HasAnswered(two.parked));
  EXPECT_EQ(caps_.State("db"), (PolicyState{1, 2, 1}));
  program.Close("a");
  EXPECT_TRUE(program.ResultOf(two.blocking).ok);
  program.Close("blocking");
  EXPECT_TRUE(program.ResultOf(two.parked).ok);
}

TEST_F(Waiting, KeepsToItsTimeoutUnderSignals) {
  caps_.Configure(Cap("service", 1, "wait", "wait_timeout = \"1s\""));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  const Lateness late;
  const int waiting = program.Begin("open", "b");
  ASSERT_TRUE(caps_.Reaches("db", 1, 1));
  int signals = 0;
  while (!program.HasAnswered(waiting)) {
    if (signals < 30) program.Interrupt("b");
    ++signals;
  }
  const Connected refused = program.ResultOf(waiting);
  EXPECT_GE(refused.seconds, 1.0);
  EXPECT_LE(refused.seconds, late.Allows(1.0 + kAfter));
}

// -------------------------------------------------------------------------------------------------
// Forks.

TEST_F(Waiting, IsNotTheBusinessOfAChildThatIsForkedMeanwhile) {
  caps_.Configure(Cap("service", 1, "wait", kLong));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  const Two two = QueueTwo(program);
  Capped child = program.Fork();
  EXPECT_EQ(caps_.State("db"), (PolicyState{1, 2, 1}));
  const int of_child = child.Begin("open", "own");
  ASSERT_TRUE(caps_.Reaches("db", 1, 3));
  Capped gone = program.Fork();
  gone.Exit();
  EXPECT_EQ(caps_.State("db"), (PolicyState{1, 3, 1}));
  program.Close("a");
  EXPECT_TRUE(program.ResultOf(two.blocking).ok);
  EXPECT_EQ(program.Query("blocking", "SELECT 42"), "42");
  program.Close("blocking");
  EXPECT_TRUE(program.ResultOf(two.parked).ok);
  EXPECT_EQ(program.Query("parked", "SELECT 42"), "42");
  program.Close("parked");
  EXPECT_TRUE(child.ResultOf(of_child).ok);
  const int parked_child = child.Begin("start", "more");
  ASSERT_TRUE(caps_.Reaches("db", 1, 1));
  child.Close("own");
  EXPECT_TRUE(child.ResultOf(parked_child).ok);
}

// The child has a copy of a PGconn that was parked in its parent, and finishes it.
TEST_F(Waiting, OfAParkedConnectIsLeftAloneByAChildThatFinishesItsCopy) {
  caps_.Configure(Cap("service", 1, "wait", kLong));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  const int parked = program.Begin("start", "parked");
  ASSERT_TRUE(caps_.Reaches("db", 1, 1));
  program.StartedAfter(parked);
  Capped child = program.Fork();
  child.Close("parked");
  EXPECT_EQ(caps_.State("db"), (PolicyState{1, 1, 1}));
  program.Close("a");
  EXPECT_TRUE(program.ResultOf(parked).ok);
  EXPECT_EQ(program.Query("parked", "SELECT 42"), "42");
}

}  // namespace
}  // namespace pqleash::testing
