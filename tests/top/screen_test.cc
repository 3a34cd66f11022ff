// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>

#include "reporter/top/cells.h"
#include "tests/top/example_sample.h"

namespace pqleash::reporter::top {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Screen : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
    state_.place().sort = "open";
  }

  std::vector<std::string> Lines(Size size) {
    const Shown shown = ShownOf(nullptr, sample_, state_.place());
    std::vector<std::string> lines;
    for (const Line& line : LayOut(SummaryOf(nullptr, sample_), shown, size, &state_)) {
      std::string text;
      for (const Span& span : line) text += span.text;
      lines.push_back(text);
    }
    return lines;
  }
  std::string Text(Size size) {
    std::string text;
    for (const std::string& line : Lines(size)) text += line + "\n";
    return text;
  }

  Sample sample_ = Busy();
  ViewState state_;
};

// Every view, at every size: exactly so many lines, none too wide, nothing that a terminal obeys.
TEST_F(Screen, FitsWhateverIsShown) {
  for (const View view : {View::kServices, View::kCallSites, View::kConnections, View::kStack,
                          View::kFindings, View::kFinding, View::kCaps, View::kHelp}) {
    for (const Size size : {Size{80, 24}, Size{40, 10}, Size{200, 60}, Size{20, 5}, Size{1, 1}}) {
      state_ = {};
      Place& place = state_.place();
      place.view = view;
      place.service = "orders";
      place.site = "0000000000000001";
      place.item = view == View::kFinding ? "lost-handle 0000000000000001 0" : "";
      const std::vector<std::string> lines = Lines(size);
      EXPECT_EQ(lines.size(), size.height);
      for (const std::string& line : lines) {
        // The least that a table can be is wider than the smallest windows: that is cut.
        EXPECT_LE(CellsOf(line), size.width) << static_cast<int>(view) << ": " << line;
        EXPECT_TRUE(std::none_of(line.begin(), line.end(), [](char c) {
          return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        })) << line;
      }
    }
  }
}

TEST_F(Screen, ServicesAt80x24) {
  const std::vector<std::string> lines = Lines({80, 24});
  EXPECT_EQ(lines[0], "pqleash top  web-1  3 services, 3 processes  12:40:03 UTC");
  EXPECT_EQ(lines[1], "43 open: 6 in use, 37 idle; 0 waiting; opened -, closed -; 1 finding");
  EXPECT_THAT(lines[2], StartsWith("A leak: 30 connections that checkout of orders"));
  EXPECT_EQ(lines[5], "services (3), by open");
  EXPECT_EQ(lines[6],
            "  SERVICE            PROCS  OPENv IN USE   IDLE  WAIT OPENED/s CLOSED/s FINDINGS");
  EXPECT_EQ(lines[7],
            ">Xorders                 1     40      6     34     -        -        -        1");
  EXPECT_EQ(lines[8],
            "  billing                1      2      0      2     -        -        -        -");
  EXPECT_EQ(lines[9],
            "  \\x1b[2J名前\\x0aX       1      1      0      1     -        -        -        -");
  EXPECT_THAT(lines[23], HasSubstr("q quit"));
}

TEST_F(Screen, NarrowScreensLoseTheColumnsThatSayLeast) {
  const std::string text = Text({40, 10});
  EXPECT_THAT(text, HasSubstr("OPENv"));
  EXPECT_THAT(text, HasSubstr("IN USE"));
  EXPECT_THAT(text, Not(HasSubstr("CLOSED/s")));
  EXPECT_THAT(text, Not(HasSubstr("A leak"))) << "no room for it";
}

TEST_F(Screen, WideCharactersKeepTheColumnsInLine) {
  state_.place().view = View::kCallSites;
  state_.place().service = "\x1b[2J名前\nX";
  const std::vector<std::string> lines = Lines({80, 24});
  const auto row = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find("漢字") != std::string::npos && line.find('>') == 0;
  });
  ASSERT_NE(row, lines.end());
  EXPECT_EQ(CellsOf(*row), 80u);
  EXPECT_THAT(*row, HasSubstr("…")) << "the name is wider than its column";
}

TEST_F(Screen, TheWindowFollowsTheSelection) {
  state_.place().view = View::kConnections;
  state_.place().service = "orders";
  state_.place().site = "0000000000000001";
  state_.place().sort = "backend";
  state_.place().reverse = true;
  EXPECT_THAT(Text({80, 16}), HasSubstr("9000"));
  const size_t page = state_.page;
  EXPECT_GT(page, 3u);
  EXPECT_LT(page, 16u);
  const Shown shown = ShownOf(nullptr, sample_, state_.place());
  state_.place().selected = shown.table.rows[20].key;
  const std::string text = Text({80, 16});
  EXPECT_THAT(text, HasSubstr(" 9020 "));
  EXPECT_THAT(text, Not(HasSubstr(" 9000 ")));
  EXPECT_EQ(state_.place().first, 20 - page + 1);
  // A taller window shows more of it, and the end is at its bottom.
  state_.place().selected = shown.table.rows[29].key;
  Text({80, 60});
  EXPECT_EQ(state_.place().first, 0u);
}

TEST_F(Screen, AQuestionTakesTheLineOfTheStatus) {
  state_.prompt = {Prompt::Kind::kConfirm, "12", "", {"/b", "db", "orders", 20}};
  state_.status = "something";
  const std::vector<std::string> lines = Lines({80, 24});
  EXPECT_EQ(lines[22], "set cap db from 20 to 12 (service orders)? y/n");
}

TEST_F(Screen, AStatusMayTakeTwoLines) {
  state_.status = std::string(70, 'a') + " " + std::string(70, 'b');
  const std::vector<std::string> lines = Lines({80, 24});
  EXPECT_EQ(lines[22], std::string(70, 'a'));
  EXPECT_EQ(lines[23], std::string(70, 'b'));
}

TEST_F(Screen, PlainTextHasAllRowsAndNoKeys) {
  std::vector<ServiceSample> services;
  for (int i = 0; i < 50; ++i)
    services.push_back(ExampleService("s" + std::to_string(i), i + 1, {ExampleSite(1, "f", 1, 0)}));
  sample_ = ExampleSample(0, std::move(services));
  const std::string text =
      PlainScreen(SummaryOf(nullptr, sample_), ShownOf(nullptr, sample_, state_.place()), 80);
  EXPECT_THAT(text, HasSubstr("  s49 "));
  EXPECT_THAT(text, Not(HasSubstr("quit")));
  EXPECT_THAT(text, Not(HasSubstr(" \n")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace pqleash::reporter::top
