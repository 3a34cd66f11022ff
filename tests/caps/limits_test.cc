// SPDX-License-Identifier: Apache-2.0
//
// What a cap counts, on a real server: one below the limit, at it, one above it and back down.

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "tests/caps/capped.h"
#include "tests/e2e/observed.h"
#include "tests/support/lateness.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

// Sessions of an application_name that the server comes to have.
bool ServerHas(const std::string& application_name, int sessions) {
  const std::string query =
      "SELECT count(*) FROM pg_stat_activity WHERE application_name = '" + application_name + "'";
  const bool reached = WaitUntil([&] { return Psql(query) == std::to_string(sessions); });
  EXPECT_TRUE(reached) << "the server has " << Psql(query) << " sessions, not " << sessions;
  return reached;
}

// -------------------------------------------------------------------------------------------------
// Up and down, for each scope and each way of having several connections.

struct Arrangement {
  const char* scope;
  const char* name;
  // Who opens: one after the other. What they share one limit for, with `programs` and `children`.
  std::function<std::vector<Capped>(Caps&)> actors;
};
std::ostream& operator<<(std::ostream& stream, const Arrangement& arrangement) {
  return stream << arrangement.scope << ", " << arrangement.name;
}

std::vector<Capped> Threads(Caps& caps) {
  std::vector<Capped> actors;
  actors.push_back(caps.Run());
  return actors;
}

std::vector<Capped> Forked(Caps& caps) {
  std::vector<Capped> actors;
  Capped parent = caps.Run();
  for (int i = 0; i < 3; ++i) actors.push_back(parent.Fork());
  return actors;
}

std::vector<Capped> ParentAndForked(Caps& caps) {
  std::vector<Capped> actors;
  actors.push_back(caps.Run());
  actors.push_back(actors[0].Fork());
  return actors;
}

std::vector<Capped> Programs(Caps& caps) {
  std::vector<Capped> actors;
  actors.push_back(caps.Run());
  actors.push_back(caps.Run());
  actors.push_back(actors[0].Fork());
  return actors;
}

std::vector<Capped> Services(Caps& caps) {
  std::vector<Capped> actors;
  actors.push_back(caps.Run("shop"));
  actors.push_back(caps.Run("mail"));
  actors.push_back(actors[1].Fork());
  return actors;
}

class Ladder : public ::testing::TestWithParam<Arrangement> {
 protected:
  static constexpr int kLimit = 3;

  // `count` connections, opened by turns; asynchronous ones by turns, too.
  void OpenTo(std::vector<Capped>& actors, int count) {
    for (; open_ < count; ++open_) {
      Capped& actor = actors[static_cast<size_t>(open_) % actors.size()];
      const std::string name = "c" + std::to_string(open_);
      const Connected connected = open_ % 2 == 0 ? actor.Open(name, "application_name=ladder")
                                                 : actor.Start(name, "application_name=ladder");
      EXPECT_TRUE(connected.ok) << connected << " of connection " << open_ + 1;
      EXPECT_EQ(caps_.State("db").use, static_cast<uint32_t>(open_ + 1));
    }
  }
  void CloseOldest(std::vector<Capped>& actors) {
    actors[static_cast<size_t>(closed_) % actors.size()].Close("c" + std::to_string(closed_));
    ++closed_;
  }

  Caps caps_;
  int open_ = 0;
  int closed_ = 0;
};

TEST_P(Ladder, RejectsBeyondTheLimitAndNotBelow) {
  caps_.Configure(Cap(GetParam().scope, kLimit, "reject"));
  std::vector<Capped> actors = GetParam().actors(caps_);
  OpenTo(actors, kLimit);
  ServerHas("ladder", kLimit);
  for (const char* verb : {"open", "start"}) {
    for (size_t i = 0; i < actors.size(); ++i) {
      const std::string name = verb + std::to_string(i);
      const Lateness late;
      const Connected refused =
          actors[i].ResultOf(actors[i].Begin(verb, name, "application_name=ladder"));
      EXPECT_FALSE(refused.ok) << verb;
      EXPECT_EQ(refused.text.find("pqleash refused this connection because cap \"db\""), 0u)
          << refused;
      EXPECT_LT(refused.seconds, late.Allows(0.1));
      actors[i].Close(name);
    }
  }
  EXPECT_EQ(caps_.State("db").use, 3u);
  ServerHas("ladder", kLimit);
  // One down: exactly one more.
  CloseOldest(actors);
  EXPECT_EQ(caps_.State("db").use, 2u);
  Capped& last = actors.back();
  EXPECT_TRUE(last.Open("again", "application_name=ladder").ok);
  EXPECT_FALSE(last.Open("toomuch", "application_name=ladder").ok);
  last.Close("again");
  last.Close("toomuch");
  while (closed_ < open_) CloseOldest(actors);
  EXPECT_EQ(caps_.State("db").use, 0u);
  ServerHas("ladder", 0);
}

TEST_P(Ladder, WaitsForRoom) {
  caps_.Configure(Cap(GetParam().scope, kLimit, "wait", "wait_timeout = \"30s\""));
  std::vector<Capped> actors = GetParam().actors(caps_);
  OpenTo(actors, kLimit);
  // Two wait in the order of their arrival, a blocking one and a parked one.
  Capped& first = actors.front();
  Capped& second = actors.back();
  const int blocking = first.Begin("open", "blocking", "application_name=ladder");
  ASSERT_TRUE(caps_.Reaches("db", kLimit, 1));
  const Lateness late;
  const int parked = second.Begin("start", "parked", "application_name=ladder");
  ASSERT_TRUE(caps_.Reaches("db", kLimit, 2));
  // It has returned, and there is no place yet: what follows says so.
  EXPECT_LT(second.StartedAfter(parked), late.Allows(0.1)) << "PQconnectStart has waited";
  ServerHas("ladder", kLimit);
  EXPECT_FALSE(first.HasAnswered(blocking));
  EXPECT_FALSE(second.HasAnswered(parked));

  CloseOldest(actors);
  EXPECT_TRUE(first.ResultOf(blocking).ok);
  EXPECT_FALSE(second.HasAnswered(parked)) << "overtaken, or more than the limit";
  EXPECT_TRUE(caps_.Reaches("db", kLimit, 1));
  first.Close("blocking");
  EXPECT_TRUE(second.ResultOf(parked).ok);
  EXPECT_TRUE(caps_.Reaches("db", kLimit, 0));
  EXPECT_EQ(second.Query("parked", "SELECT 42"), "42");
  second.Close("parked");
  while (closed_ < open_) CloseOldest(actors);
  EXPECT_EQ(caps_.State("db"), (PolicyState{0, 0, kLimit}));
}

TEST_P(Ladder, WarnsAndAdmits) {
  caps_.Configure(Cap(GetParam().scope, kLimit, "warn"));
  std::vector<Capped> actors = GetParam().actors(caps_);
  OpenTo(actors, kLimit);
  EXPECT_EQ(caps_.Logged("cap \"db\""), 0) << caps_.Log();
  OpenTo(actors, kLimit + 2);
  ServerHas("ladder", kLimit + 2);
  EXPECT_TRUE(caps_.WillLog("cap \"db\" is reached"));
  while (closed_ < open_) CloseOldest(actors);
  EXPECT_EQ(caps_.State("db").use, 0u);
  EXPECT_EQ(caps_.Logged("cap \"db\" is reached"), 1) << caps_.Log();
}

std::string NameOf(const ::testing::TestParamInfo<Arrangement>& info) {
  return std::string(info.param.scope) + "_" + info.param.name;
}

INSTANTIATE_TEST_SUITE_P(OnServer, Ladder,
                         ::testing::Values(Arrangement{"process", "threads", Threads},
                                           Arrangement{"service", "threads", Threads},
                                           Arrangement{"service", "forked", Forked},
                                           Arrangement{"service", "both", ParentAndForked},
                                           Arrangement{"service", "programs", Programs},
                                           Arrangement{"user", "forked", Forked},
                                           Arrangement{"user", "services", Services}),
                         NameOf);

// -------------------------------------------------------------------------------------------------

class Counting : public ::testing::Test {
 protected:
  Caps caps_;
};

TEST_F(Counting, VariablesAloneMakeACapOfTheProcess) {
  caps_.Set("PQLEASH_LIMIT", "2");
  caps_.Set("PQLEASH_ON_LIMIT", "reject");
  Capped parent = caps_.Run();
  Capped child = parent.Fork();
  for (Capped* process : {&parent, &child}) {
    EXPECT_TRUE(process->Open("a").ok);
    EXPECT_TRUE(process->Start("b").ok);
    const Connected refused = process->Open("c");
    EXPECT_FALSE(refused.ok);
    EXPECT_NE(refused.text.find("cap \"limit\""), std::string::npos) << refused;
    process->Close("c");
  }
  parent.Close("a");
  EXPECT_FALSE(child.Open("c").ok) << "the parent's room is not the child's";
  EXPECT_TRUE(parent.Open("d").ok);
}

TEST_F(Counting, TwoThreadsDoNotPassOneLimit) {
  caps_.Configure(Cap("service", 4, "reject"));
  Capped parent = caps_.Run();
  Capped child = parent.Fork();
  for (int round = 0; round < 5; ++round) {
    std::vector<std::pair<Capped*, int>> commands;
    for (int i = 0; i < 8; ++i) {
      for (Capped* process : {&parent, &child}) {
        commands.emplace_back(
            process, process->Begin(i % 2 == 0 ? "open" : "start", "c" + std::to_string(i)));
      }
    }
    int connected = 0;
    for (const auto& [process, command] : commands) connected += process->ResultOf(command).ok;
    EXPECT_EQ(connected, 4);
    for (int i = 0; i < 8; ++i) {
      parent.Close("c" + std::to_string(i));
      child.Close("c" + std::to_string(i));
    }
    EXPECT_EQ(caps_.State("db").use, 0u);
  }
}

TEST_F(Counting, OtherServicesHaveRoomOfTheirOwn) {
  caps_.Configure(Cap("service", 1, "reject"));
  Capped shop = caps_.Run("shop");
  Capped mail = caps_.Run("mail");
  EXPECT_TRUE(shop.Open("a").ok);
  EXPECT_TRUE(mail.Open("a").ok);
  EXPECT_FALSE(shop.Open("b").ok);
  EXPECT_FALSE(mail.Open("b").ok);
}

TEST_F(Counting, FailedConnectsDoNotCount) {
  caps_.Configure(Cap("service", 1, "reject"));
  Capped program = caps_.Run();
  for (int i = 0; i < 3; ++i) {
    const std::string name = "f" + std::to_string(i);
    const Connected failed = i % 2 == 0 ? program.Open(name, "dbname=no_such_database")
                                        : program.Start(name, "dbname=no_such_database");
    EXPECT_FALSE(failed.ok);
    EXPECT_NE(failed.text.find("no_such_database"), std::string::npos) << failed;
    EXPECT_EQ(caps_.State("db").use, 0u) << "a failed connect is kept, and counts";
  }
  EXPECT_FALSE(program.Open("nohost", "host=/nonexistent").ok);
  EXPECT_FALSE(program.Open("bad", "no_such_option=1").ok);
  EXPECT_EQ(caps_.State("db").use, 0u);
  EXPECT_TRUE(program.Open("good").ok);
}

TEST_F(Counting, InheritedConnectionsDoNotCount) {
  caps_.Configure(Cap("service", 3, "reject"));
  Capped parent = caps_.Run();
  ASSERT_TRUE(parent.Open("a").ok);
  ASSERT_TRUE(parent.Open("b").ok);
  Capped child = parent.Fork();
  Capped other = parent.Fork();
  EXPECT_TRUE(child.Open("own").ok);
  EXPECT_EQ(caps_.State("db").use, 3u);
  other.Close("a");  // a copy
  EXPECT_EQ(caps_.State("db").use, 3u);
  other.Leave();
  EXPECT_EQ(caps_.State("db").use, 3u);
  EXPECT_FALSE(child.Open("toomuch").ok);
  child.Leave();
  EXPECT_TRUE(WaitUntil([&] { return parent.Open("c").ok; }));
  EXPECT_EQ(caps_.State("db").use, 3u);
}

TEST_F(Counting, PingAndCancelPassAtTheLimit) {
  caps_.Configure(Cap("process", 1, "wait", "wait_timeout = \"20s\""));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  EXPECT_EQ(program.Ping(), "0");
  EXPECT_EQ(program.Cancel("a"), "1");
  const int waiting = program.Begin("open", "b");
  ASSERT_TRUE(caps_.Reaches("db", 1, 1));
  EXPECT_EQ(program.Ping(), "0");
  EXPECT_EQ(program.Cancel("a"), "1");
  EXPECT_EQ(caps_.State("db"), (PolicyState{1, 1, 1}));
  program.Close("a");
  EXPECT_TRUE(program.ResultOf(waiting).ok);
  EXPECT_EQ(program.Ping(), "0");
}

TEST_F(Counting, ResetOfAHeldConnectionWorksAtTheLimit) {
  caps_.Configure(Cap("service", 2, "reject"));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  ASSERT_TRUE(program.Start("b").ok);
  EXPECT_TRUE(program.Reset("a").ok);
  EXPECT_TRUE(program.ResetStart("b").ok);
  EXPECT_TRUE(program.ResetStart("a").ok);
  EXPECT_EQ(caps_.State("db").use, 2u);
  // Also of one whose session the server has ended.
  Psql("SELECT pg_terminate_backend(" + program.Query("a", "SELECT pg_backend_pid()") + ")");
  program.Query("a", "SELECT 1");
  EXPECT_TRUE(program.Reset("a").ok);
  EXPECT_EQ(caps_.State("db").use, 2u);
  EXPECT_FALSE(program.Open("c").ok);
  program.Close("a");
  program.Close("b");
  EXPECT_EQ(caps_.State("db").use, 0u);
}

TEST_F(Counting, ResetOfARefusedConnectionTriesAgain) {
  caps_.Configure(Cap("service", 1, "reject"));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  for (const char* verb : {"open", "start"}) {
    const Connected refused = program.ResultOf(program.Begin(verb, verb, "dbname=postgres"));
    EXPECT_FALSE(refused.ok);
    EXPECT_EQ(program.Status(verb), "1 -1 0 postgres") << "BAD, no socket, no backend, its dbname";
    EXPECT_FALSE(program.Reset(verb).ok);
    const Connected again = program.ResetStart(verb);
    EXPECT_FALSE(again.ok);
    EXPECT_EQ(again.text.find("pqleash refused"), 0u) << again;
    program.Close("a");
    const Connected connected = verb[0] == 'o' ? program.Reset(verb) : program.ResetStart(verb);
    EXPECT_TRUE(connected.ok) << connected;
    EXPECT_EQ(program.Query(verb, "SELECT 42"), "42");
    EXPECT_EQ(caps_.State("db").use, 1u);
    program.Close(verb);
    ASSERT_TRUE(program.Open("a").ok);
  }
}

// -------------------------------------------------------------------------------------------------
// Which connects a cap speaks of.

class Targets : public ::testing::Test {
 protected:
  Caps caps_;
};

TEST_F(Targets, OnlyWhatTheGlobsMatchCounts) {
  Psql("CREATE DATABASE billing_eu");
  Psql("CREATE ROLE clerk LOGIN SUPERUSER");
  const std::string port = getenv("PGPORT");
  const struct {
    std::string pattern;
    std::string matching;
    std::string other;
  } kTable[] = {
      {"dbname = \"billing*\"", "dbname=billing_eu", "dbname=postgres"},
      {"user = \"cl?rk\"", "user=clerk", "user=postgres"},
      {"application_name = \"batch-[0-9]*\"", "application_name=batch-7", "application_name=batch"},
      {"host = \"127.*\"", "host=127.0.0.1", "application_name=socket"},
      {"host = \"/*\"", "application_name=socket", "host=127.0.0.1"},
      {"port = \"" + port + "\"\ndbname = \"b*\"", "dbname=billing_eu", "dbname=postgres"},
  };
  for (const auto& row : kTable) {
    for (const std::string& more : {std::string(), std::string("port = \"1\"")}) {
      if (!more.empty() && row.pattern.find("port") != std::string::npos) continue;
      Caps caps;
      caps.Configure(Cap("service", 1, "reject", row.pattern + "\n" + more));
      Capped program = caps.Run();
      EXPECT_TRUE(program.Open("a", row.matching).ok) << row.pattern;
      EXPECT_EQ(caps.State("db").use, more.empty() ? 1u : 0u) << row.pattern;
      EXPECT_EQ(program.Open("b", row.matching).ok, !more.empty()) << row.pattern;
      EXPECT_EQ(program.Start("c", row.matching).ok, !more.empty()) << row.pattern;
      EXPECT_TRUE(program.Open("d", row.other).ok) << row.pattern;
      EXPECT_TRUE(program.Start("e", row.other).ok) << row.pattern;
    }
  }
}

// The id is what `pqleash report` prints.
TEST_F(Targets, ACallSiteIsCappedByItsId) {
  const auto site_of = [&](const std::string& function) {
    const Outcome outcome = caps_.Tool({"report", "--all", "--format", "json"});
    const Json site = CallSiteIn(Json::parse(outcome.out, nullptr, false), function);
    return site.is_object() ? site["id"].get<std::string>() : std::string();
  };
  {
    Capped program = caps_.Run();
    ASSERT_TRUE(program.Open("a", "application_name=audit").ok);
    ASSERT_TRUE(program.Open("b").ok);
  }
  const std::string audit = site_of("shop::Audit");
  ASSERT_EQ(audit.size(), 16u) << caps_.Tool({"report", "--all"}).out;
  caps_.Configure(Cap("service", 1, "reject", "call_site = \"" + audit + "\""));
  Capped program = caps_.Run();
  EXPECT_TRUE(program.Open("a", "application_name=audit").ok) << caps_.Log();
  EXPECT_TRUE(program.Open("b").ok);
  EXPECT_TRUE(program.Open("c").ok);
  EXPECT_EQ(caps_.State("db").use, 1u);
  const Connected refused = program.Open("d", "application_name=audit");
  EXPECT_FALSE(refused.ok);
  EXPECT_NE(refused.text.find(audit), std::string::npos) << refused;
}

TEST_F(Targets, AConnectPassesEveryCapThatMatches) {
  const auto two = [](const std::string& first, int narrow, const std::string& second, int wide) {
    return "[[cap]]\nname = \"narrow\"\nscope = \"" + first +
           "\"\napplication_name = \"batch*\"\n" + "limit = " + std::to_string(narrow) +
           "\non_limit = \"reject\"\n" + "[[cap]]\nname = \"wide\"\nscope = \"" + second +
           "\"\nlimit = " + std::to_string(wide) + "\non_limit = \"reject\"\n";
  };
  const char* const kScopes[][2] = {
      {"process", "service"}, {"service", "process"}, {"service", "user"}, {"process", "process"}};
  for (const auto& scopes : kScopes) {
    Caps caps;
    caps.Configure(two(scopes[0], 1, scopes[1], 2));
    Capped program = caps.Run();
    EXPECT_TRUE(program.Open("a", "application_name=batch1").ok) << caps.Log();
    EXPECT_EQ(caps.State("narrow").use, 1u);
    EXPECT_EQ(caps.State("wide").use, 1u);
    const Connected narrow = program.Open("b", "application_name=batch2");
    EXPECT_NE(narrow.text.find("cap \"narrow\""), std::string::npos) << narrow;
    EXPECT_EQ(caps.State("wide").use, 1u) << "a refused connect keeps a place";
    EXPECT_TRUE(program.Open("c").ok);
    const Connected wide = program.Start("d");
    EXPECT_NE(wide.text.find("cap \"wide\""), std::string::npos) << wide;
    program.Close("a");
    EXPECT_EQ(caps.State("narrow").use, 0u);
    EXPECT_EQ(caps.State("wide").use, 1u);
    EXPECT_TRUE(program.Open("e", "application_name=batch3").ok);
    EXPECT_FALSE(program.Open("f", "application_name=batch3").ok);
    EXPECT_EQ(caps.State("narrow").use, 1u);
    EXPECT_EQ(caps.State("wide").use, 2u);
  }
}

// Order is kept at every cap that a connect has to pass: who came later waits behind it, even where
// there is room for both. What waits holds nothing.
TEST_F(Targets, WhoWaitsForOneCapKeepsItsTurnAtTheOther) {
  caps_.Configure(
      "[[cap]]\nname = \"narrow\"\nscope = \"service\"\napplication_name = \"batch*\"\nlimit = 1\n"
      "on_limit = \"wait\"\nwait_timeout = \"20s\"\n"
      "[[cap]]\nname = \"wide\"\nscope = \"service\"\nlimit = 2\non_limit = \"wait\"\n"
      "wait_timeout = \"20s\"\n");
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a", "application_name=batch1").ok);
  const int batch = program.Begin("open", "b", "application_name=batch2");
  ASSERT_TRUE(caps_.Reaches("narrow", 1, 1));
  EXPECT_EQ(caps_.State("wide").use, 1u);
  const int plain = program.Begin("start", "c");
  ASSERT_TRUE(caps_.Reaches("wide", 1, 2));
  program.Close("a");
  EXPECT_TRUE(program.ResultOf(batch).ok);
  EXPECT_TRUE(program.ResultOf(plain).ok);
  EXPECT_TRUE(caps_.Reaches("narrow", 1, 0));
  EXPECT_TRUE(caps_.Reaches("wide", 2, 0));
}

}  // namespace
}  // namespace pqleash::testing
