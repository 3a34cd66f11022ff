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

TEST(ShowDuration, IsReadAgain) {
  for (const char* text : {"0ms", "1ms", "250ms", "1500ms", "5s", "90s", "2m", "24h"}) {
    EXPECT_EQ(ShowDuration(*ParseDuration(text)), text);
  }
  EXPECT_EQ(ShowDuration(60'000), "1m");
}

TEST(ParseRate, Good) {
  struct Case {
    const char* text;
    uint64_t interval_ns;
    const char* shown;
  };
  for (const Case& c :
       {Case{"50/s", 20'000'000, "50/s"}, Case{"1/s", 1'000'000'000, "1/s"},
        Case{"0.5/s", 2'000'000'000, "30/m"}, Case{"90/m", 666'666'667, "90/m"},
        Case{"7/s", 142'857'143, "7/s"}, Case{"2.50/s", 400'000'000, "150/m"},
        Case{"0.25/m", 240'000'000'000, "15/h"}, Case{"1000000/s", 1'000, "1000000/s"},
        Case{"3600000000/h", 1'000, "1000000/s"}, Case{"0.001/s", 1'000'000'000'000, "3.6/h"},
        Case{"0.06/m", 1'000'000'000'000, "3.6/h"}, Case{"3.6/h", 1'000'000'000'000, "3.6/h"},
        Case{"007.5/h", 480'000'000'000, "7.5/h"}}) {
    EXPECT_EQ(ParseRate(c.text), c.interval_ns) << c.text;
    EXPECT_EQ(ShowRate(c.interval_ns), c.shown) << c.text;
  }
}

TEST(ParseRate, Bad) {
  for (const char* text : {"",
                           "/",
                           "/s",
                           "50",
                           "50/",
                           "50s",
                           "50/d",
                           "50/ms",
                           "50 /s",
                           "50/ s",
                           " 50/s",
                           "50/s ",
                           "-1/s",
                           "+1/s",
                           "0/s",
                           "0.0/s",
                           ".5/s",
                           "5./s",
                           "1.2.3/s",
                           "1,5/s",
                           "1e3/s",
                           "0x10/s",
                           "0.000999/s",
                           "0.059/m",
                           "3.5/h",
                           "1000000.000001/s",
                           "1000001/s",
                           "60000001/m",
                           "3600000001/h",
                           "99999999999/s",
                           "1.0000000/s",
                           "nonsense"}) {
    EXPECT_EQ(ParseRate(text), std::nullopt) << '\'' << text << '\'';
  }
}

TEST(ParseCallSite, AsReportsHaveIt) {
  EXPECT_EQ(ParseCallSite("3f2a9c01b2d4e5f6"), 0x3f2a9c01b2d4e5f6u);
  EXPECT_EQ(ParseCallSite("FF"), 255u);
  EXPECT_EQ(ParseCallSite("0000000000000001"), 1u);
  for (const char* text :
       {"", "0", "0000000000000000", "0x1", "-1", "1 ", "g", "unknown", "13f2a9c01b2d4e5f6"}) {
    EXPECT_EQ(ParseCallSite(text), std::nullopt) << '\'' << text << '\'';
  }
}

TEST(NearestName, FindsTheTypingError) {
  const std::vector<std::string> names = {"limit", "on_limit", "wait_timeout", "stack_depth"};
  EXPECT_EQ(NearestName("limt", names), "limit");
  EXPECT_EQ(NearestName("wait_time", names), "wait_timeout");
  EXPECT_EQ(NearestName("stackdepth", names), "stack_depth");
  EXPECT_EQ(NearestName("something else", names), "");
  // Nearly nothing in common.
  EXPECT_EQ(NearestName("x", {"cap", "dir"}), "");
  EXPECT_EQ(NearestName("caps", {"cap", "dir"}), "cap");
}

}  // namespace
}  // namespace pqleash::config
