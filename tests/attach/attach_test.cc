// SPDX-License-Identifier: Apache-2.0
//
// `pqleash attach` and `detach` on programs that run already, on a real server. To be run by
// scripts/with-postgres, one test a server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "tests/attach/attached.h"

namespace pqleash::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kBefore[] = "(opened before the attach)";

TEST_F(Attach, RecordsFromThenOn) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  const Outcome attached = AttachTo(*told);
  ASSERT_EQ(attached.exit_code, 0) << attached.err;
  ASSERT_TRUE(Tell(told.get(), "open 3"));
  ASSERT_TRUE(Tell(told.get(), "exec"));
  ASSERT_TRUE(Tell(told.get(), "close"));
  EXPECT_EQ(Now(), (Totals{1, 2, 3, 1, 0}));
  EXPECT_TRUE(CallSiteIn(observed_.Report(), "Connect").is_object());
  ExpectEnd(told.get());
}

TEST_F(Attach, IsSaid) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(Tell(told.get(), "open 1"));
  ASSERT_EQ(AttachTo(*told).exit_code, 0);
  EXPECT_THAT(observed_.Tool({"ps"}).out, HasSubstr("live, attached"));
  EXPECT_THAT(observed_.Tool({"doctor", "--pid", std::to_string(told->pid())}).out,
              HasSubstr("1 connection that was open before is still open"));
  const Json report = observed_.Report();
  EXPECT_EQ(report["processes"][0]["attach"], "attached");
  const Json connection = report["call_sites"][0]["connections"][0];
  EXPECT_EQ(connection["opened_before_attach"], true);
  const Outcome whois =
      observed_.Tool({"whois", std::to_string(connection["backend_pid"].get<int>())});
  EXPECT_THAT(whois.out, HasSubstr(kBefore));
  ASSERT_EQ(Do("detach", *told).exit_code, 0);
  EXPECT_EQ(observed_.Report()["processes"][0]["attach"], "detached");
  ExpectEnd(told.get());
}

TEST_F(Attach, AdoptsWhatIsOpen) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(Tell(told.get(), "open 5"));
  ASSERT_TRUE(Tell(told.get(), "begin"));
  const Outcome attached = AttachTo(*told);
  ASSERT_EQ(attached.exit_code, 0) << attached.err;
  EXPECT_THAT(attached.out, HasSubstr("5 connections that were open already"));
  const Json site = CallSiteIn(observed_.Report(), kBefore);
  ASSERT_TRUE(site.is_object());
  ASSERT_EQ(site["connections"].size(), 5U);
  size_t in_transaction = 0;
  for (const Json& connection : site["connections"]) {
    EXPECT_EQ(connection["host"], getenv("PGHOST"));
    EXPECT_EQ(connection["dbname"], getenv("PGDATABASE"));
    EXPECT_EQ(connection["user"], getenv("PGUSER"));
    EXPECT_GT(connection["backend_pid"], 0);
    if (connection["transaction"] == "in_transaction") ++in_transaction;
  }
  EXPECT_EQ(in_transaction, 1U);
  ASSERT_TRUE(Tell(told.get(), "close"));
  EXPECT_EQ(Now(), (Totals{1, 4, 5, 1, 0}));
  ExpectEnd(told.get());
}

TEST_F(Attach, ProvesALeakOfBefore) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(Tell(told.get(), "open 2"));
  ASSERT_TRUE(Tell(told.get(), "lose 3"));
  ASSERT_EQ(AttachTo(*told).exit_code, 0);
  const Json finding = FindingOf(observed_.Report(), "lost-handle");
  ASSERT_TRUE(finding.is_object()) << observed_.Report().dump(1);
  // The address of the last one may still lie in a part of a stack that is not used any more.
  EXPECT_THAT(finding["summary"].get<std::string>(),
              ::testing::ContainsRegex("[23] connections opened before the attach: nothing"));
  ExpectEnd(told.get());
}

TEST_F(Attach, SeesWhatIsLoadedLater) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_EQ(AttachTo(*told).exit_code, 0);
  ASSERT_TRUE(Tell(told.get(), std::string("plugin ") + PQLEASH_TEST_PLUGIN));
  ASSERT_TRUE(Tell(told.get(), "fork"));
  EXPECT_EQ(Now().opened, 2U);
  EXPECT_TRUE(CallSiteIn(observed_.Report(), "plugin_open").is_object());
  ExpectEnd(told.get());
}

TEST_F(Attach, DetachTakesEverythingBack) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(Tell(told.get(), "open 2"));
  ASSERT_EQ(AttachTo(*told).exit_code, 0);
  const Outcome detached = Do("detach", *told);
  ASSERT_EQ(detached.exit_code, 0) << detached.err;
  ASSERT_TRUE(Tell(told.get(), "open 1"));
  EXPECT_EQ(Now().opened, 2U);
  // Once more does no harm: it would finish one that was killed.
  EXPECT_EQ(Do("detach", *told).exit_code, 0);
  // And again.
  const Outcome again = AttachTo(*told);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("3 connections that were open already"));
  ASSERT_TRUE(Tell(told.get(), "close"));
  ExpectEnd(told.get());
}

TEST_F(Attach, CapsHold) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(Tell(told.get(), "open 2"));
  Command command = AttachCommand(*told);
  command.environment["PQLEASH_LIMIT"] = "3";
  command.environment["PQLEASH_ON_LIMIT"] = "reject";
  const Outcome attached = RunToEnd(command);
  ASSERT_EQ(attached.exit_code, 0) << attached.err;
  ASSERT_TRUE(Tell(told.get(), "open 1"));
  EXPECT_TRUE(told->Write("open 1\n"));
  EXPECT_TRUE(told->WaitForOutput("failed: "));
  EXPECT_EQ(told->Wait().exit_code, 1);
}

TEST_F(Attach, WaitsLastAsLong) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(told->Write("waits\nwaits\n"));
  for (int i = 0; i < 4; ++i) {
    const Outcome attached = AttachTo(*told);
    EXPECT_EQ(attached.exit_code, 0) << attached.err;
    EXPECT_EQ(Do("detach", *told).exit_code, 0);
  }
  ExpectEnd(told.get());
}

TEST_F(Attach, RefusesInASentence) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_EQ(AttachTo(*told).exit_code, 0);
  const Outcome twice = AttachTo(*told);
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_THAT(twice.err, HasSubstr("covered already"));
  told->Signal(SIGSTOP);
  const Outcome stopped = AttachTo(*told);
  told->Signal(SIGCONT);
  EXPECT_EQ(stopped.exit_code, 1);
  EXPECT_THAT(stopped.err, HasSubstr("kill -CONT"));
  EXPECT_THAT(observed_.Tool({"attach", "2147483647"}).err, HasSubstr("there is no process"));
  EXPECT_EQ(observed_.Tool({"attach", std::to_string(told->pid()), "--all-users"}).exit_code, 2);
  EXPECT_EQ(observed_.Tool({"attach"}).exit_code, 2);
  ExpectEnd(told.get());
}

// A tool that is killed leaves a program that runs on, whatever it was doing.
TEST_F(Attach, AKilledToolLeavesARunningProgram) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(Tell(told.get(), "open 2"));
  for (int i = 0; i < 12; ++i) {
    Subprocess tool(AttachCommand(*told));
    usleep(static_cast<useconds_t>(5'000 * i));  // where it is: anywhere, which is the point
    tool.Signal(SIGKILL);
    tool.Wait();
    ASSERT_TRUE(Tell(told.get(), "exec")) << "killed after " << 5 * i << " ms";
  }
  // Whole, in the end.
  const Outcome attached = AttachTo(*told);
  EXPECT_TRUE(attached.exit_code == 0 || attached.err.find("covered already") != std::string::npos)
      << attached.err;
  ExpectEnd(told.get());
}

TEST_F(Attach, Churn) {
  const auto churn = Start({PQLEASH_TEST_CHURN});
  const int rounds =
      getenv("PQLEASH_TEST_ROUNDS") != nullptr ? atoi(getenv("PQLEASH_TEST_ROUNDS")) : 3;
  for (int i = 0; i < rounds; ++i) {
    const Outcome attached = AttachTo(*churn);
    ASSERT_EQ(attached.exit_code, 0) << "round " << i << ": " << attached.err;
    const Outcome detached = Do("detach", *churn);
    ASSERT_EQ(detached.exit_code, 0) << "round " << i << ": " << detached.err;
  }
  churn->CloseInput();
  const Outcome& outcome = churn->Wait();
  EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome) << '\n' << outcome.out << outcome.err;
}

}  // namespace
}  // namespace pqleash::testing
