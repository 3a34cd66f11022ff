// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/top/example_sample.h"

namespace pqleash::reporter::top {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> ColumnTexts(const Table& table, const std::string& key) {
  const std::optional<size_t> column = ColumnOf(table, key);
  EXPECT_TRUE(column) << "no column " << key;
  std::vector<std::string> texts;
  for (const Row& row : table.rows) texts.push_back(row.cells[*column].text);
  return texts;
}

Place At(View view, const std::string& service = "", const std::string& sort = "") {
  Place place;
  place.view = view;
  place.service = service;
  place.sort = sort;
  return place;
}

TEST(Model, ServicesWithWhatTheyHold) {
  const Sample now = Busy();
  const Table table = ShownOf(nullptr, now, At(View::kServices, "", "open")).table;
  EXPECT_THAT(ColumnTexts(table, "open"), ElementsAre("40", "2", "1"));
  EXPECT_THAT(ColumnTexts(table, "use"), ElementsAre("6", "0", "0"));
  EXPECT_THAT(ColumnTexts(table, "idle"), ElementsAre("34", "2", "1"));
  EXPECT_THAT(ColumnTexts(table, "findings"), ElementsAre("1", "-", "-"));
  // What others wrote is escaped.
  EXPECT_THAT(ColumnTexts(table, "service"),
              ElementsAre("orders", "billing", "\\x1b[2J名前\\x0aX"));
  EXPECT_EQ(table.rows[0].mark, Mark::kAlarm);
  EXPECT_EQ(table.rows[1].mark, Mark::kNone);
}

TEST(Model, RatesCountFromTheSampleBefore) {
  const Sample first =
      ExampleSample(0, {ExampleService("orders", 1, {ExampleSite(1, "checkout", 10, 0)}),
                        ExampleService("gone", 2, {ExampleSite(2, "search", 10, 0)})});
  // 8 more were opened within 4 s, a process has come (14 opened, 10 closed), another has ended.
  Sample second =
      ExampleSample(4, {ExampleService("orders", 1, {ExampleSite(1, "checkout", 18, 0)}),
                        ExampleService("new", 3, {ExampleSite(3, "other", 4, 0)})});
  EXPECT_THAT(ColumnTexts(ShownOf(nullptr, first, At(View::kServices)).table, "opened"),
              ElementsAre("-", "-"));
  const Table services = ShownOf(&first, second, At(View::kServices)).table;
  EXPECT_THAT(ColumnTexts(services, "opened"), ElementsAre("2.0", "3.5"));
  EXPECT_THAT(ColumnTexts(services, "closed"), ElementsAre("0", "2.5"));
  const Table sites = ShownOf(&first, second, At(View::kCallSites, "orders")).table;
  EXPECT_THAT(ColumnTexts(sites, "opened"), ElementsAre("2.0"));
  const Summary summary = SummaryOf(&first, second);
  EXPECT_DOUBLE_EQ(summary.opened_rate.value_or(-1), 5.5);
  EXPECT_EQ(SummaryOf(nullptr, first).opened_rate, std::nullopt);
}

TEST(Model, SortsByAColumnAndTheOtherWayRound) {
  const Sample now = Busy();
  Place place = At(View::kCallSites, "orders", "open");
  EXPECT_THAT(ColumnTexts(ShownOf(nullptr, now, place).table, "open"), ElementsAre("30", "10"));
  place.reverse = true;
  EXPECT_THAT(ColumnTexts(ShownOf(nullptr, now, place).table, "open"), ElementsAre("10", "30"));
  place = At(View::kCallSites, "orders", "place");
  EXPECT_THAT(ColumnTexts(ShownOf(nullptr, now, place).table, "place"),
              ElementsAre("checkout (checkout.py:42)", "search (search.py:42)"));
}

TEST(Model, FiltersWhateverTheCase) {
  Place place = At(View::kCallSites, "orders");
  place.filter = "SEARCH";
  const Table table = ShownOf(nullptr, Busy(), place).table;
  EXPECT_THAT(ColumnTexts(table, "place"), ElementsAre("search (search.py:42)"));
  place.filter = "nowhere";
  EXPECT_THAT(ShownOf(nullptr, Busy(), place).table.empty, HasSubstr("filter"));
}

TEST(Model, TheSelectionStaysWithItsRow) {
  Place place = At(View::kServices, "", "open");
  place.selected = "billing";
  place.at = 1;
  const Table before = ShownOf(nullptr, Busy(), place).table;
  EXPECT_EQ(SelectedIndex(before, place), 1u);
  // It is the first now.
  const Table after =
      ShownOf(nullptr,
              ExampleSample(2, {ExampleService("billing", 4712, {ExampleSite(3, "i", 99, 0)}),
                                ExampleService("orders", 4711, {ExampleSite(1, "c", 1, 0)})}),
              place)
          .table;
  EXPECT_EQ(SelectedIndex(after, place), 0u);
  // It is gone: what has taken its place.
  place.selected = "ended";
  EXPECT_EQ(SelectedIndex(after, place), 1u);
  place.at = 7;
  EXPECT_EQ(SelectedIndex(after, place), 1u);
}

TEST(Model, CapsOfAServiceAreItsOwnAndTheUsers) {
  EXPECT_EQ(ShownOf(nullptr, Busy(), At(View::kCaps)).table.rows.size(), 2u);
  const Table billing = ShownOf(nullptr, Busy(), At(View::kCaps, "billing")).table;
  EXPECT_THAT(ColumnTexts(billing, "cap"), ElementsAre("all"));
  ASSERT_TRUE(billing.rows[0].cap);
  EXPECT_EQ(billing.rows[0].cap->limit, 90u);
}

TEST(Model, DetailHasTheFindingAndTheStack) {
  Place place = At(View::kStack, "orders");
  place.site = "0000000000000001";
  std::string text;
  for (const DetailLine& line : ShownOf(nullptr, Busy(), place).detail)
    text += line.text + " " + line.place + "\n";
  EXPECT_THAT(text, HasSubstr("lost-handle (proven)"));
  EXPECT_THAT(text, HasSubstr("checkout /srv/shop/checkout.py:42"));
  // What has ended meanwhile is said, and is no failure.
  place.site = "00000000000000ff";
  EXPECT_THAT(ShownOf(nullptr, Busy(), place).detail[0].text, HasSubstr("gone"));
}

TEST(Model, NothingThereIsSaid) {
  for (const View view : {View::kServices, View::kCallSites, View::kConnections, View::kStack,
                          View::kFindings, View::kFinding, View::kCaps, View::kHelp}) {
    const Shown shown = ShownOf(nullptr, Sample{}, At(view, "nobody"));
    EXPECT_TRUE(shown.is_table ? !shown.table.empty.empty() : !shown.detail.empty())
        << static_cast<int>(view);
  }
}

}  // namespace
}  // namespace pqleash::reporter::top
