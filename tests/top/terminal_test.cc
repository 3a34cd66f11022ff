// SPDX-License-Identifier: Apache-2.0
//
// `pqleash top` as a person has it: in a terminal, on programs that hold connections to a server.

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/caps/capped.h"
#include "tests/support/wait_until.h"
#include "tests/top/tmux.h"

namespace pqleash::testing {
namespace {

class Terminal : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasTmux()) GTEST_SKIP() << "there is no tmux here";
    caps_.Configure(Cap("service", 20, "reject"));
    shop_.emplace(caps_.Run("shop"));
    billing_.emplace(caps_.Run("billing"));
    for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(shop_->Open(name).ok);
    ASSERT_TRUE(billing_->Open("d").ok);
    const std::string directory = std::filesystem::path(PQLEASH_TEST_TOOL).parent_path();
    tmux_.emplace(std::map<std::string, std::string>{
        {"PQLEASH_DIR", caps_.ledgers()}, {"PATH", directory + ":" + std::getenv("PATH")}});
    before_ = TerminalSettings();
  }

  // Of the terminal, as the shell's programs see it.
  std::string TerminalSettings() {
    // Not what was typed, nor what an earlier call has said.
    const std::string number = std::to_string(++asked_);
    tmux_->Type("clear; stty -a > " + caps_.file("stty") + "; echo do''ne " + number);
    tmux_->Press({"Enter"});
    EXPECT_TRUE(tmux_->Shows("done " + number));
    const Outcome outcome = RunToEnd({.arguments = {"cat", caps_.file("stty")}});
    EXPECT_NE(outcome.out, "");
    return outcome.out;
  }

  void Start() {
    // By its name alone: a path may fill the line, and what is looked for would be cut in two.
    tmux_->Type("pqleash top --interval 200ms");
    tmux_->Press({"Enter"});
    ASSERT_TRUE(tmux_->Shows("2 services, 2 processes"));
    ASSERT_TRUE(tmux_->Shows("4 open: 0 in use, 4 idle"));
  }

  // The shell is back, with what it showed before, and its terminal is as it was.
  void IsRestored() {
    EXPECT_TRUE(tmux_->Shows("shell$"));
    EXPECT_TRUE(tmux_->ShowsNoMore("SERVICE"));
    EXPECT_TRUE(tmux_->Shows("top --interval")) << "what was on the screen before is back";
    EXPECT_EQ(TerminalSettings(), before_);
  }

  uint32_t LimitOf(const std::string& service) {
    const Outcome outcome = caps_.Tool({"caps", "--format", "json"});
    const nlohmann::json report = nlohmann::json::parse(outcome.out, nullptr, false);
    for (const nlohmann::json& cap : report.value("policies", nlohmann::json::array())) {
      if (cap.value("service", "") == service) return cap.at("rule").value("limit", 0u);
    }
    ADD_FAILURE() << outcome.out << outcome.err;
    return 0;
  }

  Caps caps_;
  std::optional<Capped> shop_;
  std::optional<Capped> billing_;
  std::optional<Tmux> tmux_;
  std::string before_;
  int asked_ = 0;
};

TEST_F(Terminal, FromTheServicesDownToAStackAndBack) {
  Start();
  EXPECT_TRUE(tmux_->Shows("> shop"));
  // What happens shows without a key.
  ASSERT_TRUE(shop_->Open("e").ok);
  EXPECT_TRUE(tmux_->Shows("5 open: 0 in use, 5 idle"));
  EXPECT_EQ(shop_->Query("a", "BEGIN"), "");
  EXPECT_TRUE(tmux_->Shows("5 open: 1 in use, 4 idle"));

  tmux_->Press({"Enter"});
  EXPECT_TRUE(tmux_->Shows("shop > call sites (1)"));
  EXPECT_TRUE(tmux_->Shows("shop::Order (capped.cc:"));
  tmux_->Press({"Enter"});
  EXPECT_TRUE(tmux_->Shows("> connections (4)"));
  EXPECT_TRUE(tmux_->Shows("idle in transaction"));
  tmux_->Press({"/"});
  tmux_->Type("TRANS");
  EXPECT_TRUE(tmux_->Shows("show rows with: TRANS_"));
  EXPECT_TRUE(tmux_->Shows("> connections (1)"));
  tmux_->Press({"Enter", "Enter"});
  EXPECT_TRUE(tmux_->Shows("Stack, innermost first"));
  EXPECT_TRUE(tmux_->Shows("capped.cc:"));
  tmux_->Press({"BSpace", "Left", "Left"});
  EXPECT_TRUE(tmux_->Shows("services (2), by open"));
  tmux_->Press({"f"});
  EXPECT_TRUE(tmux_->Shows("findings ("));
  tmux_->Press({"f", "q"});
  IsRestored();
}

TEST_F(Terminal, FollowsTheWindow) {
  Start();
  EXPECT_TRUE(tmux_->Shows("CLOSED/s"));
  tmux_->Resize(40, 10);
  EXPECT_TRUE(tmux_->ShowsNoMore("CLOSED/s"));
  EXPECT_TRUE(tmux_->Shows("> shop"));
  tmux_->Resize(120, 30);
  EXPECT_TRUE(tmux_->Shows("CLOSED/s"));
  EXPECT_TRUE(tmux_->Shows("q quit"));
  tmux_->Resize(80, 24);
  EXPECT_TRUE(tmux_->Shows("FINDINGS\n"));
  tmux_->Press({"q"});
  IsRestored();
}

TEST_F(Terminal, ACapIsChangedAfterAYesAndNotWithoutOne) {
  Start();
  tmux_->Press({"Down"});
  EXPECT_TRUE(tmux_->Shows("> billing"));
  tmux_->Press({"Enter", "c"});
  EXPECT_TRUE(tmux_->Shows("billing > caps and paces (1)"));
  tmux_->Press({"+"});
  EXPECT_TRUE(tmux_->Shows("set cap db from 20 to 21 (service billing)? y/n"));
  tmux_->Press({"n"});
  EXPECT_TRUE(tmux_->Shows("nothing was changed"));
  EXPECT_EQ(LimitOf("billing"), 20u);
  tmux_->Press({"1", "2", "Enter"});
  EXPECT_TRUE(tmux_->Shows("set cap db from 20 to 12 (service billing)? y/n"));
  tmux_->Press({"y"});
  EXPECT_TRUE(tmux_->Shows("db (service billing): 20, reject -> 12, reject"));
  EXPECT_EQ(LimitOf("billing"), 12u);
  EXPECT_EQ(LimitOf("shop"), 20u);
  EXPECT_TRUE(tmux_->Shows("changed"));
  tmux_->Press({"q"});
  IsRestored();
}

TEST_F(Terminal, AnEndBySignalGivesTheScreenBack) {
  const struct {
    int number;
    const char* status;
  } kTable[] = {{SIGTERM, "status 143"}, {SIGINT, "status 130"}, {SIGHUP, "status 129"}};
  for (const auto& row : kTable) {
    Start();
    const int top = tmux_->ChildOfShell();
    ASSERT_GT(top, 0);
    ASSERT_EQ(kill(top, row.number), 0);
    IsRestored();
    Start();
    kill(tmux_->ChildOfShell(), row.number);
    EXPECT_TRUE(tmux_->ShowsNoMore("SERVICE"));
    tmux_->Type("echo sta''tus $?");
    tmux_->Press({"Enter"});
    EXPECT_TRUE(tmux_->Shows(row.status));
  }
}

TEST_F(Terminal, CtrlCEndsIt) {
  Start();
  tmux_->Press({"C-c"});
  IsRestored();
}

// Without a terminal: one screen, as text.
TEST_F(Terminal, OnceInAPipe) {
  const Outcome once = caps_.Tool({"top", "--once", "--interval", "100ms"});
  EXPECT_EQ(once.exit_code, 0) << once.err;
  EXPECT_NE(once.out.find("4 open: 0 in use, 4 idle"), std::string::npos) << once.out;
  EXPECT_NE(once.out.find("\n  shop "), std::string::npos) << once.out;
  EXPECT_EQ(once.out.find('\x1b'), std::string::npos) << once.out;
  EXPECT_EQ(once.err, "");
  const Outcome live = caps_.Tool({"top"});
  EXPECT_EQ(live.exit_code, 2);
  EXPECT_NE(live.err.find("--once"), std::string::npos) << live.err;
  EXPECT_EQ(caps_.Tool({"top", "--once", "--sort", "nothing"}).exit_code, 2);
  EXPECT_EQ(caps_.Tool({"top", "--once", "--interval", "1ms"}).exit_code, 2);
}

}  // namespace
}  // namespace pqleash::testing
