// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <clocale>

namespace pqleash::reporter::top {
namespace {

using ::testing::ElementsAre;

class Cells : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
};

TEST_F(Cells, WideCharactersTakeTwoAndCombiningOnesNone) {
  EXPECT_EQ(CellsOf(""), 0u);
  EXPECT_EQ(CellsOf("orders"), 6u);
  EXPECT_EQ(CellsOf("Jürgen"), 6u);
  EXPECT_EQ(CellsOf("漢字"), 4u);
  EXPECT_EQ(CellsOf("e\u0301"), 1u);
}

TEST_F(Cells, CutsWithAnEllipsisAndNeverThroughACharacter) {
  EXPECT_EQ(FitEnd("orders", 6), "orders");
  EXPECT_EQ(FitEnd("orders", 5), "orde…");
  EXPECT_EQ(FitEnd("orders", 1), "…");
  EXPECT_EQ(FitEnd("orders", 0), "");
  EXPECT_EQ(FitEnd("漢字漢字", 8), "漢字漢字");
  EXPECT_EQ(FitEnd("漢字漢字", 7), "漢字漢…");
  EXPECT_EQ(FitEnd("漢字漢字", 6), "漢字…");
  EXPECT_EQ(FitFront("/srv/shop/orders.py:42", 13), "…orders.py:42");
  EXPECT_EQ(FitFront("漢字漢字", 6), "…漢字");
  EXPECT_EQ(FitEnd("e\u0301e\u0301e\u0301", 2), "e\u0301…");
}

TEST_F(Cells, PadsToTheColumn) {
  EXPECT_EQ(PadRight("漢", 4), "漢  ");
  EXPECT_EQ(PadLeft("漢", 4), "  漢");
  EXPECT_EQ(PadRight("漢字", 3), "漢…");
  EXPECT_EQ(CellsOf(PadRight("漢字漢", 4)), 4u) << "a column that a wide one does not fit is blank";
}

TEST_F(Cells, WrapsAtBlanksAndBreaksWhatIsTooLong) {
  EXPECT_THAT(WrapCells("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(WrapCells("abcdefghij", 4), ElementsAre("abcd", "efgh", "ij"));
  EXPECT_THAT(WrapCells("漢字漢", 3), ElementsAre("漢", "字", "漢"));
  EXPECT_THAT(WrapCells("", 10), ElementsAre(""));
}

TEST_F(Cells, IsAsciiWhereTheTerminalIs) {
  EXPECT_EQ(ToAscii("Jürgen 漢…"), "J?rgen ??~");
  EXPECT_EQ(CellsOf(ToAscii("漢字…")), CellsOf("漢字…"));
}

}  // namespace
}  // namespace pqleash::reporter::top
