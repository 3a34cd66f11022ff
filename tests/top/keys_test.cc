// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/top/example_sample.h"

namespace pqleash::reporter::top {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = Key::Kind;

class Keys : public ::testing::Test {
 protected:
  void SetUp() override {
    state_.place().sort = "open";
    state_.page = 5;
  }

  Effect Press(Key key) {
    return top::Press(key, ShownOf(nullptr, sample_, state_.place()), &state_);
  }
  Effect Press(Kind kind) { return Press(Key{kind, 0}); }
  Effect Type(std::u32string_view text) {
    Effect last;
    for (const char32_t c : text) last = Press(Key{Kind::kCharacter, c});
    return last;
  }

  View view() const { return state_.place().view; }
  std::string Selected() const {
    const Table table = ShownOf(nullptr, sample_, state_.place()).table;
    return table.rows.empty() ? "" : table.rows[SelectedIndex(table, state_.place())].cells[0].text;
  }

  Sample sample_ = Busy();
  ViewState state_;
};

TEST_F(Keys, MoveWithinTheRows) {
  EXPECT_EQ(Selected(), "orders");
  Press(Kind::kUp);
  EXPECT_EQ(Selected(), "orders");
  Press(Kind::kDown);
  EXPECT_EQ(Selected(), "billing");
  Press(Kind::kPageDown);
  EXPECT_EQ(Selected(), "\\x1b[2J名前\\x0aX");
  Press(Kind::kDown);
  EXPECT_EQ(Selected(), "\\x1b[2J名前\\x0aX");
  Press(Kind::kHome);
  EXPECT_EQ(Selected(), "orders");
  Press(Kind::kEnd);
  EXPECT_EQ(Selected(), "\\x1b[2J名前\\x0aX");
  Press(Kind::kPageUp);
  EXPECT_EQ(Selected(), "orders");
}

TEST_F(Keys, DrillDownAndComeBackToTheSameRow) {
  Press(Kind::kDown);
  Press(Kind::kUp);
  Press(Kind::kEnter);
  EXPECT_EQ(view(), View::kCallSites);
  EXPECT_EQ(state_.place().service, "orders");
  Press(Kind::kDown);
  EXPECT_THAT(Selected(), HasSubstr("search"));
  Press(Kind::kRight);
  EXPECT_EQ(view(), View::kConnections);
  EXPECT_EQ(ShownOf(nullptr, sample_, state_.place()).table.rows.size(), 10u);
  Press(Kind::kEnter);
  EXPECT_EQ(view(), View::kStack);
  Press(Kind::kBackspace);
  Press(Kind::kLeft);
  EXPECT_EQ(view(), View::kCallSites);
  EXPECT_THAT(Selected(), HasSubstr("search"));
  Press(Kind::kEscape);
  Press(Kind::kEscape);
  Press(Kind::kLeft);
  EXPECT_EQ(view(), View::kServices);
  EXPECT_EQ(state_.path.size(), 1u);
}

TEST_F(Keys, SortGoesThroughTheColumns) {
  Type(U"s");
  EXPECT_EQ(state_.place().sort, "use");
  Type(U"r");
  EXPECT_TRUE(state_.place().reverse);
  Type(U"sssssss");
  EXPECT_EQ(state_.place().sort, "processes");
  EXPECT_FALSE(state_.place().reverse);
}

TEST_F(Keys, FilterAsItIsTyped) {
  Type(U"/BILL");
  EXPECT_EQ(Selected(), "billing");
  EXPECT_EQ(QuestionOf(state_.prompt), "show rows with: BILL_");
  // Letters are letters now.
  EXPECT_FALSE(Type(U"q").quit);
  Press(Kind::kBackspace);
  Press(Kind::kEnter);
  EXPECT_EQ(state_.place().filter, "BILL");
  EXPECT_EQ(QuestionOf(state_.prompt), "");
  Type(U"/名");
  Press(Kind::kEscape);
  EXPECT_EQ(state_.place().filter, "BILL") << "Esc goes back to the filter before";
  Press(Kind::kEscape);
  EXPECT_EQ(state_.place().filter, "");
  EXPECT_EQ(view(), View::kServices);
}

TEST_F(Keys, FilterTakesCharactersWhole) {
  Type(U"/é漢🐘");
  EXPECT_EQ(state_.prompt.text, "é漢🐘");
  Press(Kind::kBackspace);
  EXPECT_EQ(state_.prompt.text, "é漢");
  Press(Kind::kBackspace);
  Press(Kind::kBackspace);
  Press(Kind::kBackspace);
  EXPECT_EQ(state_.prompt.text, "");
}

TEST_F(Keys, FindingsAndCapsAreOfTheServiceThatIsShown) {
  Type(U"f");
  EXPECT_EQ(view(), View::kFindings);
  EXPECT_EQ(state_.place().service, "");
  Type(U"c");
  EXPECT_EQ(view(), View::kCaps);
  EXPECT_EQ(state_.path.size(), 2u) << "sideways, and not deeper";
  Type(U"c");
  EXPECT_EQ(view(), View::kServices);
  Press(Kind::kEnter);
  Type(U"c");
  EXPECT_EQ(state_.place().service, "orders");
}

TEST_F(Keys, ACapIsChangedAfterAYes) {
  Press(Kind::kEnter);
  Type(U"c");
  EXPECT_EQ(Selected(), "db");
  EXPECT_FALSE(Type(U"12").change);
  EXPECT_EQ(QuestionOf(state_.prompt), "new limit of cap db (service orders), now 40: 12_");
  Press(Kind::kEnter);
  EXPECT_EQ(QuestionOf(state_.prompt),
            "40 open, all new ones refused: set cap db from 40 to 12 (service orders)? y/n");
  // A slip is no answer.
  EXPECT_FALSE(Type(U"x").change);
  EXPECT_FALSE(Press(Kind::kEnter).change);
  const Effect effect = Type(U"y");
  ASSERT_TRUE(effect.change);
  EXPECT_EQ(effect.change->limit, "12");
  EXPECT_EQ(effect.change->cap.name, "db");
  EXPECT_EQ(effect.change->cap.service, "orders");
  EXPECT_EQ(state_.prompt.kind, Prompt::Kind::kNone);
}

TEST_F(Keys, NothingIsChangedWithoutAYes) {
  Press(Kind::kEnter);
  Type(U"c+");
  EXPECT_EQ(QuestionOf(state_.prompt), "set cap db from 40 to 41 (service orders)? y/n");
  Type(U"---");
  EXPECT_EQ(QuestionOf(state_.prompt),
            "40 open, all new ones refused: set cap db from 40 to 38 (service orders)? y/n");
  EXPECT_FALSE(Type(U"n").change);
  EXPECT_EQ(state_.status, "nothing was changed");
  Type(U"-");
  EXPECT_FALSE(Press(Kind::kEscape).change);
  EXPECT_FALSE(Type(U"y").change);
}

TEST_F(Keys, TheQuestionSaysThatEveryNewConnectIsHeldBack) {
  Prompt prompt = {Prompt::Kind::kConfirm, "5", "", {"/b", "db", "orders", 10, 5, caps::kReject}};
  EXPECT_EQ(QuestionOf(prompt),
            "5 open, all new ones refused: set cap db from 10 to 5 (service orders)? y/n");
  prompt.cap.on_limit = caps::kWait;
  EXPECT_THAT(QuestionOf(prompt), HasSubstr("all new ones wait:"));
  prompt.cap.on_limit = caps::kWarn;
  EXPECT_THAT(QuestionOf(prompt), Not(HasSubstr("all new ones")));
  prompt.cap.on_limit = caps::kReject;
  prompt.text = "6";
  EXPECT_THAT(QuestionOf(prompt), Not(HasSubstr("all new ones"))) << "one is admitted";
  prompt.text = "11";
  prompt.cap.open = 20;
  EXPECT_THAT(QuestionOf(prompt), Not(HasSubstr("all new ones"))) << "milder than before";
}

TEST_F(Keys, ALimitIsBetween1AndAMillion) {
  const struct {
    std::u32string_view typed;
    bool asked;
  } kTable[] = {{U"0", false}, {U"1", true}, {U"1000000", true}, {U"1000001", false}};
  for (const auto& row : kTable) {
    state_ = {};
    Type(U"c");
    Type(row.typed);
    Press(Kind::kEnter);
    EXPECT_EQ(state_.prompt.kind == Prompt::Kind::kConfirm, row.asked) << state_.status;
    EXPECT_EQ(state_.status_bad, !row.asked);
  }
  sample_.caps.policies = {ExampleCap("db", "orders", 1, 0)};
  state_ = {};
  Type(U"c-");
  EXPECT_THAT(QuestionOf(state_.prompt), HasSubstr("from 1 to 1"));
}

TEST_F(Keys, APaceHasNoLimit) {
  sample_.caps.policies[0].policy.filed.kind = caps::kPace;
  Press(Kind::kEnter);
  Type(U"c+");
  if (state_.prompt.kind != Prompt::Kind::kNone) Press(Kind::kEscape);
  state_.place().selected = ShownOf(nullptr, sample_, state_.place()).table.rows[0].key;
  Type(U"5");
  EXPECT_EQ(state_.prompt.kind, Prompt::Kind::kNone);
  EXPECT_TRUE(state_.status_bad);
  EXPECT_THAT(state_.status, HasSubstr("is a pace"));
}

TEST_F(Keys, QuitAndHelp) {
  EXPECT_TRUE(Type(U"q").quit);
  Type(U"?");
  EXPECT_EQ(view(), View::kHelp);
  Type(U"?");
  EXPECT_EQ(view(), View::kServices);
}

}  // namespace
}  // namespace pqleash::reporter::top
