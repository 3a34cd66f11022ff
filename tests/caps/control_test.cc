// SPDX-License-Identifier: Apache-2.0
//
// What operators see and change: the file while programs run, bad files, the log, refusals.

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/caps/capped.h"
#include "tests/e2e/observed.h"
#include "tests/support/lateness.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

class Control : public ::testing::Test {
 protected:
  Caps caps_;
};

TEST_F(Control, AChangedFileIsInForceAtTheNextConnect) {
  caps_.Configure(Cap("service", 1, "reject"));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  EXPECT_FALSE(program.Open("b").ok);
  program.Close("b");
  caps_.Configure(Cap("service", 3, "reject"));
  EXPECT_TRUE(WaitUntil([&] {
    const Connected connected = program.Open("b");
    if (!connected.ok) program.Close("b");
    return connected.ok;
  })) << caps_.Log();
  EXPECT_EQ(caps_.State("db").limit, 3u);
  EXPECT_TRUE(program.Open("c").ok);
  EXPECT_FALSE(program.Open("d").ok);
  // Below the use: closes nothing, holds back what is new.
  caps_.Configure(Cap("service", 2, "reject"));
  EXPECT_TRUE(WaitUntil([&] {
    program.Close("d");
    program.Open("d");
    return caps_.State("db").limit == 2;
  }));
  EXPECT_EQ(caps_.State("db").use, 3u);
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(program.Query(name, "SELECT 42"), "42");
  program.Close("a");
  EXPECT_FALSE(program.Open("e").ok);
  program.Close("b");
  EXPECT_TRUE(program.Open("f").ok);
}

// Waiters are let go by whoever reads the new file.
TEST_F(Control, ARaisedLimitLetsWaitersGo) {
  caps_.Configure(Cap("service", 1, "wait", "wait_timeout = \"30s\""));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  const int blocking = program.Begin("open", "b");
  const int parked = program.Begin("start", "c");
  ASSERT_TRUE(caps_.Reaches("db", 1, 2));
  caps_.Configure(Cap("service", 4, "wait", "wait_timeout = \"30s\""));
  Capped other = caps_.Run();
  EXPECT_TRUE(other.Open("d").ok);
  EXPECT_TRUE(program.ResultOf(blocking).ok);
  EXPECT_TRUE(program.ResultOf(parked).ok);
}

TEST_F(Control, ARemovedCapIsNotInForce) {
  caps_.Configure(Cap("service", 1, "reject"));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  EXPECT_FALSE(program.Open("b").ok);
  caps_.Configure("# nothing\n");
  EXPECT_TRUE(WaitUntil([&] {
    program.Close("b");
    return program.Open("b").ok;
  })) << caps_.Log();
  // Nor does anybody find it listed as if it were.
  EXPECT_EQ(caps_.Tool({"caps", "db"}).exit_code, 1);
  // It may come back.
  caps_.Configure(Cap("service", 2, "reject"));
  EXPECT_TRUE(WaitUntil([&] {
    program.Close("c");
    return !program.Open("c").ok;
  })) << caps_.Log();
}

TEST_F(Control, AnInvalidFileKeepsTheOldValues) {
  caps_.Configure(Cap("service", 1, "reject"));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  caps_.Configure(Cap("service", 0, "reject"));
  EXPECT_TRUE(WaitUntil([&] {
    EXPECT_FALSE(program.Open("b").ok);
    program.Close("b");
    return caps_.Logged("pqleash.toml:4") > 0;
  })) << caps_.Log();
  EXPECT_EQ(caps_.State("db"), (PolicyState{1, 0, 1}));
  caps_.Configure("[[cap]\nname = ");
  EXPECT_TRUE(WaitUntil([&] {
    EXPECT_FALSE(program.Open("b").ok);
    program.Close("b");
    return caps_.Logged("pqleash.toml:1") > 0 || caps_.Logged("pqleash.toml:2") > 0;
  })) << caps_.Log();
  EXPECT_EQ(caps_.State("db"), (PolicyState{1, 0, 1}));
  caps_.Configure(Cap("service", 2, "reject"));
  EXPECT_TRUE(WaitUntil([&] {
    const bool ok = program.Open("b").ok;
    if (!ok) program.Close("b");
    return ok;
  })) << caps_.Log();
}

// As an editor leaves it that empties a file before it writes it. A comment says that it is meant.
TEST_F(Control, AnEmptyFileKeepsTheCapsAndACommentTakesThemOff) {
  caps_.Configure(Cap("service", 1, "reject"));
  Capped program = caps_.Run();
  EXPECT_TRUE(program.Open("a").ok);
  caps_.Configure("");
  EXPECT_TRUE(WaitUntil([&] {
    EXPECT_FALSE(program.Open("b").ok);
    program.Close("b");
    return caps_.Logged("is empty: its old caps stay in force") > 0;
  })) << caps_.Log();
  EXPECT_FALSE(program.Open("b").ok);
  program.Close("b");
  EXPECT_EQ(caps_.Logged("is empty"), 1) << caps_.Log();
  caps_.Configure("# no caps\n");
  EXPECT_TRUE(WaitUntil([&] {
    const bool ok = program.Open("b").ok;
    if (!ok) program.Close("b");
    return ok;
  })) << caps_.Log();
}

TEST_F(Control, ABadFileAtTheStartMeansObserveOnly) {
  const struct {
    const char* what;
    std::string file;
    const char* logged;
  } kTable[] = {
      {"limit", Cap("service", 0, "reject"), "pqleash.toml:4"},
      {"scope", Cap("planet", 1, "reject"), "pqleash.toml:3"},
      {"policy", Cap("service", 1, "rejct"), "pqleash.toml:5"},
      {"unknown key", Cap("service", 1, "reject", "limt = 4"), "'limit'"},
      {"unit", Cap("service", 1, "wait", "wait_timeout = \"5\""), "pqleash.toml:6"},
      {"twice", Cap("service", 1, "reject") + Cap("service", 2, "reject"), "db"},
      {"half", Cap("service", 1, "reject") + "[[cap]]\nname = \"other\"\nlimit = -1\n", "other"},
      {"toml", "[[cap]\n", "pqleash.toml:1"},
  };
  for (const auto& row : kTable) {
    Caps caps;
    caps.Configure(row.file);
    Capped program = caps.Run();
    EXPECT_TRUE(program.Open("a").ok) << row.what;
    EXPECT_TRUE(program.Open("b").ok) << row.what;
    EXPECT_TRUE(program.Start("c").ok) << row.what;
    EXPECT_GE(caps.Logged(row.logged), 1) << row.what << '\n' << caps.Log();
  }
}

TEST_F(Control, AnOperatorCapsARunningServiceAndTakesItBack) {
  caps_.Configure(Cap("service", 5, "reject"));
  Capped program = caps_.Run();
  Capped child = program.Fork();
  ASSERT_TRUE(program.Open("a").ok);
  ASSERT_TRUE(child.Open("b").ok);
  const Outcome set = caps_.Tool({"caps", "set", "db", "--limit", "2", "--on-limit", "wait",
                                  "--wait-timeout", "30s", "--force"});
  ASSERT_EQ(set.exit_code, 0) << set.err;
  EXPECT_EQ(caps_.State("db").limit, 2u);
  const int blocking = program.Begin("open", "c");
  ASSERT_TRUE(caps_.Reaches("db", 2, 1));
  const int parked = child.Begin("start", "d");
  ASSERT_TRUE(caps_.Reaches("db", 2, 2));
  EXPECT_TRUE(caps_.WillLog("cap \"db\": set by pid"));
  const Outcome shown = caps_.Tool({"caps", "--format", "json"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_FALSE(Json::parse(shown.out, nullptr, false).is_discarded()) << shown.out;
  EXPECT_NE(caps_.Tool({"caps", "db"}).out.find("db"), std::string::npos);
  // Who waits goes on at once, without anybody's connect.
  ASSERT_EQ(caps_.Tool({"caps", "set", "db", "--limit", "3"}).exit_code, 0);
  EXPECT_TRUE(program.ResultOf(blocking).ok);
  EXPECT_FALSE(child.HasAnswered(parked));
  ASSERT_EQ(caps_.Tool({"caps", "reset", "db"}).exit_code, 0);
  EXPECT_TRUE(child.ResultOf(parked).ok);
  EXPECT_EQ(caps_.State("db"), (PolicyState{4, 0, 5}));
  EXPECT_TRUE(caps_.WillLog("cap \"db\": reset by pid"));
  EXPECT_TRUE(program.Open("e").ok);
  EXPECT_FALSE(program.Open("f").ok);
}

// Nobody has configured anything.
TEST_F(Control, AnOperatorAddsACapToARunningService) {
  Capped program = caps_.Run("shop");
  ASSERT_TRUE(program.Open("a").ok);
  const Outcome add = caps_.Tool({"caps", "add", "emergency", "--service", "shop", "--scope",
                                  "service", "--limit", "2", "--on-limit", "reject"});
  ASSERT_EQ(add.exit_code, 0) << add.err;
  EXPECT_TRUE(program.Open("b").ok);
  EXPECT_EQ(caps_.State("emergency").use, 2u) << "what was open before does not count";
  const Connected refused = program.Open("c");
  EXPECT_FALSE(refused.ok);
  EXPECT_NE(refused.text.find("cap \"emergency\""), std::string::npos) << refused;
}

TEST_F(Control, CheckSaysWhatIsWrongWithAFile) {
  caps_.Configure(Cap("service", 3, "reject"));
  EXPECT_EQ(caps_.Tool({"check"}).exit_code, 0) << caps_.Tool({"check"}).err;
  caps_.Configure(Cap("service", 0, "reject"));
  const Outcome wrong = caps_.Tool({"check"});
  EXPECT_NE(wrong.exit_code, 0);
  EXPECT_NE((wrong.out + wrong.err).find("pqleash.toml:4"), std::string::npos)
      << wrong.out << wrong.err;
}

TEST_F(Control, TheLogSaysOnceThatTheLimitIsReachedAndOnceThatItIsLeft) {
  caps_.Configure(Cap("service", 3, "wait", "wait_timeout = \"300ms\""));
  Capped program = caps_.Run();
  Capped child = program.Fork();
  ASSERT_TRUE(program.Open("a").ok);
  ASSERT_TRUE(program.Open("b").ok);
  ASSERT_TRUE(child.Open("c", "application_name=audit").ok);
  program.Query("a", "BEGIN");
  const Lateness late;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(program.Open("refused").ok);
    EXPECT_FALSE(child.Start("refused").ok);
    program.Close("refused");
    child.Close("refused");
  }
  EXPECT_EQ(caps_.Logged("cap \"db\" is reached: 3 of 3 in use"), 1) << caps_.Log();
  // Who holds them, the most first.
  const std::string log = caps_.Log();
  const std::regex order(
      "\"db\": 2 by capped\\+0x[0-9a-f]+ .call site [0-9a-f]{16}. in 1 process, oldest .*1 in a "
      "transaction");
  const std::regex audit(
      "\"db\": 1 by capped\\+0x[0-9a-f]+ .call site [0-9a-f]{16}. in 1 process, oldest");
  EXPECT_TRUE(std::regex_search(log, order)) << log;
  EXPECT_TRUE(std::regex_search(log, audit)) << log;
  EXPECT_EQ(caps_.Logged("has room again"), 0) << log;

  program.Close("a");
  program.Close("b");
  EXPECT_TRUE(program.Open("d").ok);
  // Said by who connects or closes when nobody has been held back for a while.
  EXPECT_TRUE(WaitUntil([&] {
    program.Open("e");
    program.Close("e");
    return caps_.Logged("cap \"db\" has room again") > 0;
  })) << caps_.Log();
  EXPECT_EQ(caps_.Logged("has room again"), 1);
  const std::string after = caps_.Log();
  std::smatch longest;
  ASSERT_TRUE(std::regex_search(
      after, longest, std::regex("6 waited \\(longest ([0-9]+\\.[0-9]{3}) s\\), 6 refused")))
      << after;
  EXPECT_GE(std::stod(longest[1]), 0.3) << after;
  EXPECT_LT(std::stod(longest[1]), late.Allows(0.4)) << after;
}

TEST_F(Control, ARefusalNamesCapLimitUseAndTheBiggestHolder) {
  caps_.Configure(Cap("service", 3, "reject"));
  Capped program = caps_.Run("orders-api");
  ASSERT_TRUE(program.Open("a", "application_name=audit").ok);
  ASSERT_TRUE(program.Open("b", "application_name=audit").ok);
  ASSERT_TRUE(program.Open("c").ok);
  for (const char* verb : {"open", "start"}) {
    const Connected refused = program.ResultOf(program.Begin(verb, verb, "dbname=postgres"));
    EXPECT_FALSE(refused.ok);
    EXPECT_TRUE(std::regex_search(
        refused.text,
        std::regex(
            "^pqleash refused this connection because cap \"db\" of service \"orders-api\" "
            "allows 3 and 3 are in use, 2 of them opened by capped\\+0x[0-9a-f]+ \\(call site "
            "[0-9a-f]{16}\\); .*pqleash caps set db --limit N")))
        << refused;
    EXPECT_EQ(refused.text.find(':'), std::string::npos) << refused;
  }
}

// For whoever collects logs: one object a line, with the numbers of the sentence.
TEST_F(Control, TheLogAsJsonHasTheCapsNumbers) {
  using nlohmann::json;
  caps_.Set("PQLEASH_LOG_FORMAT", "json");
  caps_.Configure(Cap("service", 2, "reject"));
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("a").ok);
  ASSERT_TRUE(program.Open("b").ok);
  EXPECT_FALSE(program.Open("refused").ok);
  ASSERT_EQ(caps_.Tool({"caps", "set", "db", "--limit", "3"}).exit_code, 0);
  program.Close("refused");
  EXPECT_TRUE(program.Open("c").ok);

  std::map<std::string, json> events;  // the last of each
  std::istringstream log(caps_.Log());
  for (std::string line; std::getline(log, line);) {
    const json event = json::parse(line, nullptr, false);
    ASSERT_FALSE(event.is_discarded()) << "no JSON: " << line;
    EXPECT_EQ(event.value("service", ""), "shop") << line;
    EXPECT_EQ(event.value("pid", 0), program.pid()) << line;
    events[event.value("event", "")] = event;
  }
  ASSERT_TRUE(events.contains("start")) << caps_.Log();
  EXPECT_EQ(events["start"]["level"], "info");
  ASSERT_TRUE(events.contains("cap.reached")) << caps_.Log();
  const json& reached = events["cap.reached"];
  EXPECT_EQ(reached["level"], "warn");
  EXPECT_EQ(reached["cap"], "db");
  EXPECT_EQ(reached["in_use"], 2);
  EXPECT_EQ(reached["limit"], 2);
  EXPECT_EQ(reached["waiting"], 0);
  EXPECT_EQ(reached["on_limit"], "reject");
  ASSERT_TRUE(events.contains("cap.holder")) << caps_.Log();
  const json& holder = events["cap.holder"];
  EXPECT_EQ(holder["held"], 2);
  EXPECT_EQ(holder["processes"], 1);
  EXPECT_TRUE(std::regex_match(holder["call_site"].get<std::string>(), std::regex("[0-9a-f]{16}")));
  EXPECT_GE(holder["oldest_s"].get<double>(), 0);
  ASSERT_TRUE(events.contains("cap.changed")) << caps_.Log();
  EXPECT_EQ(events["cap.changed"]["limit_before"], 2);
  EXPECT_EQ(events["cap.changed"]["limit"], 3);
}

}  // namespace
}  // namespace pqleash::testing
