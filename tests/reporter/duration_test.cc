// SPDX-License-Identifier: Apache-2.0

#include "reporter/words/duration.h"

#include <gtest/gtest.h>

#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

TEST(DurationTest, ForPeople) {
  struct Case {
    uint64_t ns;
    const char* text;
  };
  const Case cases[] = {
      {0, "0 s"},
      {99 * kMillisecond, "0 s"},
      {250 * kMillisecond, "0.2 s"},
      {3 * kSecond, "3 s"},
      {9'960 * kMillisecond, "9.9 s"},
      {10'900 * kMillisecond, "10 s"},
      {59 * kSecond, "59 s"},
      {kMinute, "1m"},
      {4 * kMinute + 12 * kSecond, "4m 12s"},
      {kHour, "1h"},
      {3 * kHour + 5 * kMinute + 59 * kSecond, "3h 5m"},
      {2 * kDay + 4 * kHour, "2d 4h"},
      {~uint64_t{0}, "213503d 23h"},
  };
  for (const Case& test : cases) EXPECT_EQ(HumanDuration(test.ns), test.text);
}

TEST(DurationTest, Parses) {
  struct Case {
    const char* text;
    uint64_t ns;
  };
  const Case cases[] = {
      {"0s", 0},
      {"250ms", 250 * kMillisecond},
      {"30s", 30 * kSecond},
      {"5m", 5 * kMinute},
      {"1.5h", 90 * kMinute},
      {"2d", 2 * kDay},
      {"0.5s", 500 * kMillisecond},
  };
  for (const Case& test : cases) EXPECT_EQ(ParseDuration(test.text), test.ns) << test.text;
}

TEST(DurationTest, RefusesAnythingElse) {
  for (const char* text : {"", "5", "s", "5 m", " 5m", "5m ", "-5m", "+5m", "5M", "5min", "1h30m",
                           "infs", "nans", "1e3s", "0x10s", "99999999999d", "5sm"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << text;
  }
}

TEST(UtcTimeTest, IsReadBackAsItIsWritten) {
  EXPECT_EQ(ParseRfc3339("1970-01-01T00:00:00.000Z"), 0u);
  for (const uint64_t ns : {kMillisecond, kSecond, 1'800'000'000 * kSecond + 250 * kMillisecond,
                            4'102'444'799 * kSecond + 999 * kMillisecond}) {
    EXPECT_EQ(ParseRfc3339(Rfc3339(ns)), ns) << Rfc3339(ns);
  }
  EXPECT_EQ(Rfc3339(1'800'000'000 * kSecond), "2027-01-15T08:00:00.000Z");
}

TEST(UtcTimeTest, RefusesAnyOtherTime) {
  for (const char* text :
       {"", "now", "2027-01-15", "2027-01-15 08:00:00.000Z", "2027-01-15T08:00:00Z",
        "2027-01-15T08:00:00.000", "2027-01-15T08:00:00.000+", "2027-02-30T08:00:00.000Z",
        "2027-13-01T08:00:00.000Z", "2027-01-15T24:00:00.000Z", "2027-01-15T08:60:00.000Z",
        "1969-12-31T23:59:59.000Z", "2027-01-15T08:00:00.000Zx"}) {
    EXPECT_EQ(ParseRfc3339(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pqleash::reporter
