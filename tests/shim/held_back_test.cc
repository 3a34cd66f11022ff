// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/held_back.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "shim/ledger/layout.h"

namespace pqleash::tracker {
namespace {

class HeldBackTest : public ::testing::Test {
 protected:
  void SetUp() override { held_back_.Use(slots_.data()); }
  void TearDown() override {
    for (uint32_t slot = 0; slot < slots_.size(); ++slot) held_back_.Release(slot);
    EXPECT_TRUE(HeldBack::None());
  }

  std::vector<HeldBackSlot> slots_ = std::vector<HeldBackSlot>(4);
  HeldBack held_back_;
};

TEST_F(HeldBackTest, Parked) {
  EXPECT_TRUE(HeldBack::None());
  held_back_.Park(2, 17, ledger::kConnecting);
  EXPECT_FALSE(HeldBack::None());
  EXPECT_EQ(held_back_.GuiseOf(1), Guise::kNone);
  EXPECT_EQ(held_back_.GuiseOf(2), Guise::kParked);
  HeldBackSlot& slot = held_back_.At(2);
  EXPECT_EQ(slot.Status(), CONNECTION_STARTED);
  EXPECT_EQ(slot.Socket(), 17);
  EXPECT_STREQ(slot.ErrorMessage(), "");
}

TEST_F(HeldBackTest, Refused) {
  held_back_.SetText(1, "no room");
  held_back_.SetTarget(1, "db1", "5433");
  held_back_.Refuse(1, false);
  HeldBackSlot& slot = held_back_.At(1);
  EXPECT_EQ(slot.Status(), CONNECTION_BAD);
  EXPECT_EQ(slot.Socket(), -1);
  EXPECT_STREQ(slot.ErrorMessage(), "no room\n");
  EXPECT_STREQ(slot.host, "db1");
  EXPECT_STREQ(slot.port, "5433");
  char text[sizeof(slot.text)];
  held_back_.CopyText(1, text);
  EXPECT_STREQ(text, "no room");
}

// Whatever follows whatever, the count is of slots.
TEST_F(HeldBackTest, CountsEachSlotOnce) {
  held_back_.Park(0, 5, ledger::kConnecting);
  held_back_.Refuse(0, false);
  held_back_.Refuse(0, true);
  EXPECT_EQ(held_back_.GuiseOf(0), Guise::kRefusedForGood);
  held_back_.Park(3, 6, ledger::kResetting);
  held_back_.Release(0);
  held_back_.Release(0);
  EXPECT_FALSE(HeldBack::None());
  held_back_.Release(3);
  EXPECT_TRUE(HeldBack::None());
}

TEST_F(HeldBackTest, TextIsCutToFit) {
  constexpr size_t kRoom = sizeof(HeldBackSlot::text) - 2;  // newline and end
  for (const size_t length : {kRoom - 1, kRoom, kRoom + 1}) {
    held_back_.SetText(0, std::string(length, 'x').c_str());
    EXPECT_EQ(std::string(held_back_.At(0).text), std::string(std::min(length, kRoom), 'x') + "\n")
        << length;
  }
}

}  // namespace
}  // namespace pqleash::tracker
