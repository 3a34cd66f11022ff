// SPDX-License-Identifier: Apache-2.0

#include "shim/config/values.h"

#include <gtest/gtest.h>

namespace pqleash::config {
namespace {

TEST(ParseDuration, Good) {
  struct Case {
    const char* text;
    uint32_t milliseconds;
  };
  for (const Case& c : {Case{"0s", 0}, Case{"1ms", 1}, Case{"250ms", 250}, Case{"5s", 5'000},
                        Case{"2m", 120'000}, Case{"24h", 86'400'000}, Case{"86400s", 86'400'000}}) {
    EXPECT_EQ(ParseDuration(c.text), c.milliseconds) << c.text;
  }
}

TEST(ParseDuration, Bad) {
  for (const char* text :
       {"", "5", "s", "ms", "-1s", "+1s", "1.5s", "5 s", " 5s", "5s ", "5S", "5sec", "25h",
        "86401s", "4294967296ms", "99999999999999999999s", "1h30m", "0x10s"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << '\'' << text << '\'';
  }
}

TEST(ParseCount, KeepsItsBounds) {
  EXPECT_EQ(ParseCount("1", 1, 256), 1u);
  EXPECT_EQ(ParseCount("256", 1, 256), 256u);
  for (const char* text :
       {"0", "257", "", "-1", "+1", "1 ", " 1", "1e2", "12a", "0x10", "99999999999"}) {
    EXPECT_EQ(ParseCount(text, 1, 256), std::nullopt) << '\'' << text << '\'';
  }
}

TEST(NearestName, FindsTheTypingError) {
  const std::vector<std::string> names = {"limit", "on_limit", "wait_timeout", "stack_depth"};
  EXPECT_EQ(NearestName("limt", names), "limit");
  EXPECT_EQ(NearestName("wait_time", names), "wait_timeout");
  EXPECT_EQ(NearestName("stackdepth", names), "stack_depth");
  EXPECT_EQ(NearestName("something else", names), "");
}

}  // namespace
}  // namespace pqleash::config
