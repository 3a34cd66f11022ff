// SPDX-License-Identifier: Apache-2.0
//
// Paces on a real server: so many connects in a time, and few while the server is full. The server
// has kServerConnections.

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/caps/capped.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

constexpr int kServerConnections = 6;

std::string Pace(const std::string& lines) { return "[[pace]]\nname = \"db\"\n" + lines; }

TEST(Pace, LetsConnectsGoAtItsRateOnceTheBurstIsUsedUp) {
  Caps caps;
  caps.Configure(Pace("rate = \"10/s\"\nburst = 3\nwait_timeout = \"20s\"\n"));
  Capped program = caps.Run();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    // By turns a blocking and an asynchronous one.
    const std::string name = "c" + std::to_string(i);
    const Connected connected = i % 2 == 0 ? program.Open(name) : program.Start(name);
    ASSERT_TRUE(connected.ok) << connected;
    program.Close(name);
  }
  // Three at once, then seven at a tenth of a second.
  const std::chrono::duration<double> lasted = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(lasted.count(), 0.65);
  program.Exit();
}

TEST(Pace, RefusesWhatComesTooFast) {
  Caps caps;
  caps.Configure(Pace("rate = \"6/h\"\nburst = 2\non_limit = \"reject\"\n"));
  Capped program = caps.Run();
  EXPECT_TRUE(program.Open("a").ok);
  EXPECT_TRUE(program.Start("b").ok);
  const Connected third = program.Open("c");
  EXPECT_FALSE(third.ok);
  EXPECT_NE(third.text.find("refused this connection because pace \"db\""), std::string::npos)
      << third;
  EXPECT_EQ(third.text.find(':'), std::string::npos) << third;
  EXPECT_FALSE(program.Start("d").ok);
  program.Exit();
}

TEST(Pace, WhileTheServerIsFullOneTriesAndTheOthersWait) {
  Caps unpaced;
  Capped filler = unpaced.Run("filler");
  for (int i = 0; i < kServerConnections; ++i) ASSERT_TRUE(filler.Open("f" + std::to_string(i)).ok);
  Caps caps;
  caps.Configure(Pace("on_server_full = \"backoff\"\nwait_timeout = \"30s\"\n"));
  Capped program = caps.Run();
  const Connected first = program.Open("first");
  ASSERT_FALSE(first.ok);
  EXPECT_EQ(first.text.find("refused this connection"), std::string::npos)
      << "the server's own words: " << first;
  // The one that tries is refused by the server, and told so; the others go on waiting.
  const int a = program.Begin("open", "a");
  const int b = program.Begin("start", "b");
  const int c = program.Begin("open", "c");
  ASSERT_TRUE(caps.WillLog("because the server has no free slots"));
  for (int i = 0; i < 3; ++i) filler.Close("f" + std::to_string(i));
  int connected = 0;
  for (const int command : {a, b, c}) {
    const Connected result = program.ResultOf(command);
    connected += result.ok ? 1 : 0;
    EXPECT_TRUE(result.ok || result.text.find("refused this connection") == std::string::npos)
        << result;
  }
  EXPECT_GE(connected, 1);
  // It is over: the next goes at once.
  program.Close("first");
  if (connected == 3) program.Close("a");
  // The server gives a slot back a moment after its client has gone.
  Connected next;
  int tries = 0;
  WaitUntil([&] {
    next = program.Open("next" + std::to_string(tries++));
    return next.text.find("too many clients") == std::string::npos;
  });
  EXPECT_TRUE(next.ok) << next;
  program.Exit();
  filler.Exit();
}

TEST(Pace, WhileTheServerIsFullTheOthersAreRefusedAtOnce) {
  Caps unpaced;
  Capped filler = unpaced.Run("filler");
  for (int i = 0; i < kServerConnections; ++i) ASSERT_TRUE(filler.Open("f" + std::to_string(i)).ok);
  Caps caps;
  caps.Configure(Pace("on_server_full = \"backoff\"\non_limit = \"reject\"\n"));
  Capped program = caps.Run();
  ASSERT_FALSE(program.Open("first").ok);
  // On a machine that is late it may be time for the next try, which the server refuses. Tries
  // become rarer.
  Connected second;
  int others = 0;
  EXPECT_TRUE(WaitUntil([&] {
    second = program.Open("second" + std::to_string(others++));
    return second.text.find("while the server has no free slots") != std::string::npos;
  })) << second;
  EXPECT_FALSE(second.ok);
  program.Exit();
  filler.Exit();
}

}  // namespace
}  // namespace pqleash::testing
