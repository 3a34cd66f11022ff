// SPDX-License-Identifier: Apache-2.0
//
// `pqleash caps` from outside of a process that counts its connects on a board: this one.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "reporter/caps/caps_board.h"
#include "shim/caps/board_file.h"
#include "shim/caps/board_lock.h"
#include "shim/support/clock.h"
#include "shim/support/liveness.h"
#include "tests/reporter/example_board.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/living_ledger.h"
#include "tests/reporter/scratch_directory.h"
#include "tests/reporter/subprocess.h"

namespace pqleash::reporter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CapsCliTest : public ::testing::Test {
 protected:
  // The board that the tool finds in the directory, made if it is not there.
  caps::Board& Board() {
    if (board_.attached()) return board_;
    const int fd = open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char problem[256] = "";
    EXPECT_TRUE(
        caps::OpenSharedBoard(fd, getuid(), caps::ThisPlace(), /*create=*/true, &board_, problem))
        << problem;
    close(fd);
    return board_;
  }

  uint32_t Install(const caps::Policy& policy, const std::string& service) {
    bool differs = false;
    return Board().Install(policy, service.c_str(), caps::kFromConfig, 0, 1, Now(), &differs);
  }

  uint32_t Join(const std::string& service) {
    const ProcessMarks marks = ReadMarks(getpid());
    return Board().Join({getpid(), marks.start_ticks, marks.stack_start, service.c_str(), ""},
                        Now());
  }

  caps::Outcome Connect(uint32_t member, uint32_t policy, const char* label = "main (shop.cc:7)") {
    caps::Request request = {};
    request.member = member;
    request.policies = uint64_t{1} << policy;
    request.label = Board().AddLabel(0xabc, label, Now());
    request.now = Now();
    request.may_wait = true;
    return Board().Enter(request);
  }

  Outcome Caps(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {PQLEASH_TOOL, "caps"});
    arguments.insert(arguments.end(), {"--dir", directory_.path()});
    return Execute(arguments);
  }

  nlohmann::json Json(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.end(), {"--format", "json"});
    const Outcome outcome = Caps(std::move(arguments));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out);
  }

  ScratchDirectory directory_;
  caps::Board board_;
};

TEST_F(CapsCliTest, NoneIsFine) {
  const Outcome text = Caps({});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_EQ(text.err, "");
  EXPECT_THAT(text.out, AllOf(HasSubstr("No cap and no pace is in force."),
                              HasSubstr("`pqleash caps add NAME --limit N")));
  const nlohmann::json json = Json();
  EXPECT_EQ(json["schema"], "pqleash.caps/1");
  EXPECT_EQ(json["policies"], nlohmann::json::array());
  EXPECT_THAT(Caps({"billing"}).err, HasSubstr("there is no cap and no pace called 'billing'"));
}

TEST_F(CapsCliTest, HelpAndBadUsage) {
  for (const char* command : {"list", "set", "add", "reset"}) {
    const Outcome help = Caps({command, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr("Usage: pqleash caps"));
  }
  const caps::Policy cap = WaitingCap("billing", caps::kScopeService, 2);
  Install(cap, "shop");
  const std::vector<std::vector<std::string>> cases = {
      {"billing", "extra"},
      {"--nonsense"},
      {"set"},
      {"set", "billing"},
      {"set", "billing", "--limit", "0"},
      {"set", "billing", "--limit", "many"},
      {"set", "billing", "--rate", "50/s"},
      {"set", "billing", "--wait-timeout", "5"},
      {"set", "billing", "--on-limit", "reject", "--wait-timeout", "5s"},
      {"set", "billing", "--service", "", "--limit", "3"},
      {"reset"},
      {"reset", "billing", "--all"},
      {"add", "x"},
      {"add", "x", "--limit", "5"},
      {"add", "x", "--limit", "5", "--scope", "host", "--service", "s"},
      {"add", "x", "--limit", "5", "--scope", "user", "--service", "s"},
      {"add", "x", "--limit", "5", "--rate", "50/s", "--service", "s"},
      {"add", "x", "--rate", "50", "--service", "s"},
      {"add", "x", "--burst", "5", "--service", "s"},
      {"add", "a:b", "--limit", "5", "--service", "s"},
      {"add", "x", "--limit", "5", "--service", "s", "--call-site", "xyz"},
  };
  for (const auto& arguments : cases) {
    const Outcome outcome = Caps(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << ::testing::PrintToString(arguments) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("pqleash: caps")) << ::testing::PrintToString(arguments);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  EXPECT_EQ(Board().record(0).rule.limit, 2u);
  EXPECT_EQ(Board().record(1).origin, uint32_t{caps::kFromNobody});
}

TEST_F(CapsCliTest, WhoHoldsAndWhoWaits) {
  const uint32_t cap = Install(WaitingCap("billing", caps::kScopeService, 1), "shop");
  Install(WaitingCap("other", caps::kScopeService, 7), "desk");
  const uint32_t member = Join("shop");
  EXPECT_EQ(Connect(member, cap, "main\x1b[31m (shop.cc:7)").answer, caps::Answer::kGo);
  EXPECT_EQ(Connect(member, cap).answer, caps::Answer::kWait);
  const nlohmann::json json = Json({"billing"});
  ASSERT_EQ(json["policies"].size(), 1u);
  const nlohmann::json& billing = json["policies"][0];
  EXPECT_EQ(billing["use"], 1);
  EXPECT_EQ(billing["waiting"], 1);
  EXPECT_EQ(billing["rule"]["limit"], 1);
  EXPECT_EQ(billing["holders"][0]["pid"], getpid());
  EXPECT_EQ(billing["holders"][0]["call_site"], "0000000000000abc");
  EXPECT_EQ(billing["holders"][0]["ended"], false);
  EXPECT_EQ(billing["waiters"].size(), 1u);
  EXPECT_FALSE(billing["at_limit_s"].is_null());
  const Outcome text = Caps({"list", "billing"});
  EXPECT_THAT(text.out, AllOf(HasSubstr("Who holds connections at billing"),
                              HasSubstr("Who waits at billing"), HasSubstr("main\\x1b[31m"),
                              HasSubstr("at its limit for")));
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(Json({"--service", "desk"})["policies"].size(), 1u);
  EXPECT_EQ(Json()["policies"].size(), 2u);
}

TEST_F(CapsCliTest, SetLetsThoseGoWhoWait) {
  const uint32_t cap = Install(WaitingCap("billing", caps::kScopeService, 1), "shop");
  const uint32_t member = Join("shop");
  Connect(member, cap);
  const uint32_t generation = Board().generation();
  caps::Outcome waiting = Connect(member, cap);
  ASSERT_EQ(waiting.answer, caps::Answer::kWait);
  std::thread waiter([&] {
    while (waiting.answer == caps::Answer::kWait) waiting = Board().Await(waiting);
  });
  const Outcome set = Caps({"set", "billing", "--limit", "5", "--wait-timeout", "2s"});
  waiter.join();
  EXPECT_EQ(set.exit_code, 0) << set.err;
  EXPECT_EQ(set.err, "");
  EXPECT_EQ(set.out,
            "billing (service shop): 1, wait 5s -> 5, wait 2s\n"
            "  in use 2 of 5: 3 more may connect, then new connects wait\n");
  EXPECT_EQ(waiting.answer, caps::Answer::kGo);
  EXPECT_NE(Board().generation(), generation);
  EXPECT_EQ(Board().record(cap).rule.limit, 5u);
  EXPECT_EQ(Board().record(cap).filed.rule.limit, 1u);
  EXPECT_EQ(Board().record(cap).overridden, 1u);
  EXPECT_NE(Board().record(cap).changed_by, 0u);
  EXPECT_THAT(Caps({}).out, HasSubstr("the file says 1, wait 5s"));
  EXPECT_TRUE(Json()["policies"][0]["at_limit_s"].is_null()) << "there is room, nobody waits";
}

TEST_F(CapsCliTest, SetBelowTheUseClosesNothing) {
  const uint32_t cap = Install(WaitingCap("billing", caps::kScopeService, 50), "shop");
  const uint32_t member = Join("shop");
  for (int i = 0; i < 34; ++i) Connect(member, cap);
  const Outcome refused = Caps({"set", "billing", "--limit", "34"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(refused.err,
            "pqleash: caps set: billing of service shop: 34 are open and the limit is 34, so that "
            "every next connect would wait; nothing was changed: give a limit above 34, or "
            "--force\n");
  EXPECT_EQ(Board().record(cap).rule.limit, 50u);
  EXPECT_EQ(Caps({"set", "billing", "--limit", "35"}).exit_code, 0) << "one more may come";
  EXPECT_EQ(Caps({"set", "billing", "--limit", "50"}).exit_code, 0);
  const Outcome set = Caps({"set", "billing", "--limit", "20", "--force"});
  EXPECT_EQ(set.out,
            "billing (service shop): 50, wait 5s -> 20, wait 5s\n"
            "  in use 34 of 20: nothing is closed; new connects wait until fewer than 20 are "
            "open\n");
  EXPECT_EQ(Board().use(cap), 34u);
  EXPECT_EQ(Caps({"set", "billing", "--limit", "20"}).out,
            "billing (service shop): 20, wait 5s already\n");
  EXPECT_EQ(Caps({"set", "billing", "--limit", "25"}).exit_code, 0) << "that holds fewer back";
  EXPECT_EQ(Caps({"set", "billing", "--on-limit", "reject"}).exit_code, 1);
}

// Of a process with 10 open.
TEST_F(CapsCliTest, AddSaysHowThingsStandAndRefusesWhatHoldsAll) {
  LedgerBuilder ledger = ExampleLedger();
  MakeOfThisProcess(&ledger);
  ledger.WriteTo(directory_.Path(LedgerName(ledger)));
  const auto add = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"add",    "emergency", "--service",
                                          "orders", "--scope",   "service"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Caps(arguments);
  };
  const Outcome refused = add({"--limit", "10", "--on-limit", "wait"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(refused.err,
            "pqleash: caps add: emergency of service orders: 10 are open and the limit is 10, so "
            "that every next connect would wait; nothing was changed: give a limit above 10, or "
            "--force\n");
  const Outcome dry = add({"--limit", "9", "--on-limit", "reject", "--dry-run"});
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  EXPECT_THAT(dry.out, StartsWith("emergency (service orders): 9, reject (dry run: nothing is "
                                  "changed)\n  in use 10 of 9: nothing is closed; new connects are "
                                  "refused until fewer than 9 are open\n"));
  EXPECT_THAT(dry.out, HasSubstr("  refused without --force\n"));
  EXPECT_EQ(Json()["policies"].size(), 0u);
  const Outcome room = add({"--limit", "11", "--on-limit", "wait"});
  EXPECT_EQ(room.exit_code, 0) << room.err;
  EXPECT_EQ(room.out,
            "emergency (service orders): 11, wait 5s\n"
            "  holds for 1 process from the next connect on\n"
            "  in use 10 of 11: 1 more may connect, then new connects wait\n");
  EXPECT_EQ(Caps({"reset", "emergency"}).exit_code, 0);
  EXPECT_EQ(add({"--limit", "2"}).exit_code, 0) << "warn holds nobody back";
  EXPECT_EQ(Caps({"set", "emergency", "--on-limit", "wait"}).exit_code, 1);
  EXPECT_EQ(Caps({"set", "emergency", "--on-limit", "wait", "--dry-run"}).exit_code, 0);
  EXPECT_EQ(Caps({"set", "emergency", "--on-limit", "wait", "--force"}).exit_code, 0);
}

TEST_F(CapsCliTest, SetOfAllServicesThatHaveTheName) {
  const uint32_t shop = Install(WaitingCap("billing", caps::kScopeService, 50), "shop");
  const uint32_t desk = Install(WaitingCap("billing", caps::kScopeService, 60), "desk");
  EXPECT_EQ(Caps({"set", "billing", "--service", "desk", "--limit", "9"}).exit_code, 0);
  EXPECT_EQ(Board().record(shop).rule.limit, 50u);
  EXPECT_EQ(Board().record(desk).rule.limit, 9u);
  const Outcome both = Caps({"set", "billing", "--on-limit", "reject"});
  EXPECT_THAT(both.out, AllOf(HasSubstr("billing (service shop): 50, wait 5s -> 50, reject\n"),
                              HasSubstr("billing (service desk): 9, wait 5s -> 9, reject\n")));
}

TEST_F(CapsCliTest, NameThatIsNotThere) {
  Install(WaitingCap("billing", caps::kScopeService, 50), "shop");
  for (const char* command : {"set", "reset", "list"}) {
    std::vector<std::string> arguments = {command, "biling"};
    if (std::string(command) == "set") arguments.insert(arguments.end(), {"--limit", "3"});
    const Outcome outcome = Caps(arguments);
    EXPECT_EQ(outcome.exit_code, 1) << command;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err,
              "pqleash: there is no cap and no pace called 'biling': did you mean 'billing'?\n");
  }
  EXPECT_THAT(Caps({"set", "billing", "--service", "desk", "--limit", "3"}).err,
              HasSubstr("called 'billing' for service desk"));
}

TEST_F(CapsCliTest, LockedBoardIsAFailure) {
  const uint32_t cap = Install(WaitingCap("billing", caps::kScopeService, 50), "shop");
  std::optional<caps::BoardLock> lock(std::in_place, &Board(), Now());
  ASSERT_TRUE(lock->held());
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"set", "billing", "--limit", "3"},
        {"add", "more", "--limit", "3", "--scope", "user"}}) {
    const Outcome outcome = Caps(arguments);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("nothing was changed"));
  }
  EXPECT_EQ(Caps({}).exit_code, 0) << "reading needs no lock";
  EXPECT_THAT(Json()["incomplete"].dump(),
              HasSubstr("lock is held by process " + std::to_string(getpid())));
  lock.reset();
  EXPECT_EQ(Board().record(cap).rule.limit, 50u);
}

TEST_F(CapsCliTest, AddAndReset) {
  const Outcome added =
      Caps({"add", "emergency", "--limit", "20", "--scope", "service", "--service", "shop",
            "--on-limit", "wait", "--max-waiting", "9", "--dbname", "billing*"});
  EXPECT_EQ(added.exit_code, 0) << added.err;
  EXPECT_EQ(added.out,
            "emergency (service shop): 20, wait 5s, at most 9 waiting\n"
            "  no process that it holds for has a ledger here; it holds for those that start\n");
  const caps::Record& record = Board().record(0);
  EXPECT_EQ(record.origin, uint32_t{caps::kFromOperator});
  EXPECT_STREQ(record.filed.name, "emergency");
  EXPECT_STREQ(record.filed.dbname, "billing*");
  EXPECT_STREQ(record.service, "shop");
  EXPECT_EQ(record.filed.scope, uint32_t{caps::kScopeService});
  EXPECT_THAT(Caps({}).out,
              AllOf(HasSubstr("made from outside"), HasSubstr("for dbname=billing*")));
  const Outcome again = Caps({"add", "emergency", "--limit", "9", "--service", "shop"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("there is a cap 'emergency' of service shop already"));

  EXPECT_EQ(Caps({"add", "storm", "--rate", "30/m", "--service", "shop"}).out.substr(0, 45),
            "storm (service shop): 30/m burst 1, wait 5s\n ");
  EXPECT_EQ(Board().record(1).rule.interval_ns, 2'000'000'000u);
  EXPECT_EQ(Caps({"reset", "emergency"}).out,
            "emergency (service shop): 20, wait 5s, at most 9 waiting -> removed\n");
  EXPECT_EQ(Board().record(0).origin, uint32_t{caps::kFromNobody});
  EXPECT_EQ(Json()["policies"].size(), 1u);
}

TEST_F(CapsCliTest, Reset) {
  const uint32_t cap = Install(WaitingCap("billing", caps::kScopeService, 50), "shop");
  EXPECT_EQ(Caps({"reset", "billing"}).out,
            "billing (service shop): 50, wait 5s, as the file says already\n");
  EXPECT_THAT(Caps({"reset", "--all"}).out, HasSubstr("Nothing to reset"));
  Caps({"set", "billing", "--limit", "20"});
  Caps({"add", "other", "--limit", "20", "--scope", "user"});
  EXPECT_EQ(Caps({"reset", "--all"}).out,
            "billing (service shop): 20, wait 5s -> 50, wait 5s, as the file says\n"
            "  in use 0 of 50: 50 more may connect, then new connects wait\n"
            "other: 20, warn -> removed\n");
  EXPECT_EQ(Board().record(cap).overridden, 0u);
  EXPECT_EQ(Board().record(cap).rule.limit, 50u);
  EXPECT_EQ(Json()["policies"].size(), 1u);
}

TEST_F(CapsCliTest, BoardsThatCannotBeReadOrChanged) {
  MemoryBoard other;
  FillExample(&other);
  WriteFile(directory_.Path("caps-2-7-8-9.board"), other.Bytes());
  chmod(directory_.Path("caps-2-7-8-9.board").c_str(), 0600);
  const Outcome elsewhere = Caps({"set", "billing", "--limit", "20"});
  EXPECT_EQ(elsewhere.exit_code, 1);
  EXPECT_THAT(elsewhere.err, HasSubstr("another pid namespace"));
  EXPECT_EQ(Json()["policies"].size(), 4u) << "it can be read";

  std::string bytes = other.Bytes();
  bytes[8] = 3;
  WriteFile(directory_.Path("caps-3-7-8-9.board"), bytes);
  chmod(directory_.Path("caps-3-7-8-9.board").c_str(), 0600);
  const Outcome newer = Caps({});
  EXPECT_EQ(newer.exit_code, 0);
  EXPECT_THAT(newer.err, AllOf(StartsWith("pqleash: passed over: board "),
                               HasSubstr("has format version 3, expected 2")));
  bytes[0] = 'X';
  WriteFile(directory_.Path("caps-3-7-8-9.board"), bytes);
  const Outcome damaged = Caps({});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_THAT(damaged.err, StartsWith("pqleash: incomplete: board "));
  EXPECT_THAT(damaged.out, HasSubstr("billing"));
}

// Root leaves its rights behind before it maps what a user has made.
TEST_F(CapsCliTest, RootChangesTheBoardOfAUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const uint32_t cap = Install(WaitingCap("billing", caps::kScopeService, 50), "shop");
  constexpr uid_t kNobody = 65'534;
  char name[caps::kBoardNameSize];
  caps::NameBoard(caps::kBoardVersion, caps::ThisPlace(), name);
  for (const std::string& path : {directory_.Path(name), directory_.path()}) {
    ASSERT_EQ(chown(path.c_str(), kNobody, kNobody), 0);
  }
  const Outcome set = Caps({"set", "billing", "--limit", "20"});
  EXPECT_EQ(set.exit_code, 0) << set.err;
  EXPECT_THAT(set.out, HasSubstr("50, wait 5s -> 20, wait 5s"));
  EXPECT_EQ(Board().record(cap).rule.limit, 20u);
  ASSERT_EQ(unlink(directory_.Path(name).c_str()), 0);
  EXPECT_EQ(Caps({"add", "x", "--limit", "2", "--scope", "user"}).exit_code, 0);
  struct stat status;
  ASSERT_EQ(stat(directory_.Path(name).c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, kNobody) << "made as the user";
}

}  // namespace
}  // namespace pqleash::reporter
