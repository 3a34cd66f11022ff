// SPDX-License-Identifier: Apache-2.0
//
// Programs, and the tool, whose libc tells another time: libfaketime. The library's own time is the
// kernel's, so that a wait ends when it should and ages are those of the connections.

#include <gtest/gtest.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>

#include "tests/caps/capped.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

const char* const kFaketime = PQLEASH_TEST_FAKETIME;  // "": it is not installed

struct Faked {
  const char* name;
  const char* spec;  // FAKETIME, faketime(1)
  bool first;        // preloaded before us
};

void PrintTo(const Faked& faked, std::ostream* stream) { *stream << faked.name; }

class FakedClock : public ::testing::TestWithParam<Faked> {
 protected:
  void SetUp() override {
    if (*kFaketime == '\0') GTEST_SKIP() << "libfaketime is not installed";
  }

  // For what is run from now on.
  void Fake() {
    const std::string ours = PQLEASH_TEST_LIBRARY;
    const std::string theirs = kFaketime;
    caps_.Set("LD_PRELOAD", GetParam().first ? theirs + ":" + ours : ours + ":" + theirs);
    caps_.Set("FAKETIME", GetParam().spec);
  }

  // The age of the only open connection as the tool tells it, in seconds; -1: there is none.
  double Age(Command command) const {
    command.arguments = {PQLEASH_TEST_TOOL, "report", "--format", "json"};
    const Outcome outcome = RunToEnd(command);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto report = nlohmann::json::parse(outcome.out, nullptr, false);
    EXPECT_TRUE(report.is_object()) << outcome.out;
    for (const auto& site : report.value("call_sites", nlohmann::json::array())) {
      for (const auto& connection : site["connections"]) return connection["age_s"];
    }
    return -1;
  }

  Caps caps_;
};

double SecondsNow() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

TEST_P(FakedClock, WaitsEnd) {
  caps_.Configure(Cap("process", 1, "wait", "wait_timeout = \"1s\""));
  Fake();
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("holder").ok);
  for (const char* verb : {"open", "start"}) {
    const Connected waiter = program.ResultOf(program.Begin(verb, std::string("late_") + verb));
    EXPECT_FALSE(waiter.ok) << verb;
    EXPECT_NE(waiter.text.find("pqleash"), std::string::npos) << verb << ": " << waiter.text;
  }
  program.Exit();
}

TEST_P(FakedClock, WaitsEndOnTheSharedBoard) {
  caps_.Configure(Cap("service", 1, "wait", "wait_timeout = \"1s\""));
  Capped holder = caps_.Run();  // with the right time
  ASSERT_TRUE(holder.Open("holder").ok);
  Fake();
  Capped waiter = caps_.Run();
  const Connected late = waiter.Open("late");
  EXPECT_FALSE(late.ok);
  EXPECT_NE(late.text.find("pqleash"), std::string::npos) << late.text;
  holder.Close("holder");
  EXPECT_TRUE(waiter.Open("again").ok);
  waiter.Exit();
  holder.Exit();
}

TEST_P(FakedClock, AgesAreRight) {
  Command right = caps_.Preloaded({});
  right.environment["LD_PRELOAD"] = std::nullopt;
  Fake();
  const double begin = SecondsNow();
  Capped program = caps_.Run();
  ASSERT_TRUE(program.Open("held").ok);
  Command faked = caps_.Preloaded({});
  // The tool with the right time and with the other.
  for (const Command& command : {right, faked}) {
    EXPECT_TRUE(WaitUntil([&] { return Age(command) >= 0.1; }));
    const double age = Age(command);
    EXPECT_LE(age, SecondsNow() - begin);
    EXPECT_GE(age, 0.1);
  }
  program.Exit();
}

INSTANTIATE_TEST_SUITE_P(
    Libfaketime, FakedClock,
    ::testing::Values(Faked{"MonthBefore", "-30d", false}, Faked{"MonthBeforeFirst", "-30d", true},
                      Faked{"MonthAhead", "+30d", false}, Faked{"MonthAheadFirst", "+30d", true},
                      Faked{"Frozen", "2020-02-29 12:00:00", false},
                      Faked{"FrozenFirst", "2020-02-29 12:00:00", true},
                      Faked{"Racing", "+0 x50", true}, Faked{"Crawling", "+0 x0.01", true}),
    [](const auto& faked) { return std::string(faked.param.name); });

}  // namespace
}  // namespace pqleash::testing
