// SPDX-License-Identifier: Apache-2.0

#include "reporter/words/escape.h"

#include <gtest/gtest.h>

#include "reporter/render/short_places.h"

namespace pqleash::reporter {
namespace {

TEST(EscapeTest, Table) {
  struct Case {
    std::string bytes;
    const char* text;
  };
  const Case cases[] = {
      {"", ""},
      {"orders-web 1.0", "orders-web 1.0"},
      {"a\\x1b", "a\\\\x1b"},
      {"\x1b[31m", "\\x1b[31m"},
      {"a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\x7f", "\\x7f"},
      {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
      {"\xe6\x97\xa5", "\xe6\x97\xa5"},
      {"\xf0\x9f\x90\x98", "\xf0\x9f\x90\x98"},
      // Control characters and what cannot be seen, as UTF-8.
      {"\xc2\x9b"
       "31m",
       "\\u{9b}31m"},
      {"\xe2\x80\xae", "\\u{202e}"},
      {"\xe2\x81\xa6", "\\u{2066}"},
      {"\xe2\x80\x8b", "\\u{200b}"},
      {"\xe2\x80\xa8", "\\u{2028}"},
      {"\xef\xbb\xbf", "\\u{feff}"},
      {"\xf3\xa0\x81\x81", "\\u{e0041}"},
      // Not UTF-8: alone, cut, overlong, surrogate, beyond the last, continuation.
      {"\xff", "\\xff"},
      {"\xc3", "\\xc3"},
      {"\xe6\x97", "\\xe6\\x97"},
      {"\xe6\x97x", "\\xe6\\x97x"},
      {"\xc0\xaf", "\\xc0\\xaf"},
      {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
      {"\x80", "\\x80"},
  };
  for (const Case& test : cases) EXPECT_EQ(Escape(test.bytes), test.text);
}

TEST(EscapeTest, EveryPairOfBytesGivesOneLineWithoutControls) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string bytes = {static_cast<char>(first), static_cast<char>(second)};
      for (const char byte : Escape(bytes)) {
        const auto value = static_cast<unsigned char>(byte);
        ASSERT_TRUE(value >= 0x20 && value != 0x7f) << first << ' ' << second;
      }
    }
  }
}

TEST(CutTest, Table) {
  struct Case {
    const char* text;
    size_t columns;
    const char* end;
    const char* front;
  };
  const Case cases[] = {
      {"abcdef", 6, "abcdef", "abcdef"},
      {"abcdefg", 6, "abc...", "...efg"},
      {"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 4, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f",
       "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f"},
      {"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9fx", 4, "\xc3\xa4...", "...x"},
      {"", 3, "", ""},
      {"abcd", 3, "...", "..."},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(CutEnd(test.text, test.columns), test.end) << test.text;
    EXPECT_EQ(CutFront(test.text, test.columns), test.front) << test.text;
    EXPECT_LE(Width(CutEnd(test.text, test.columns)), test.columns) << test.text;
  }
}

TEST(ShortPlacesTest, KeepTheFileAndTheLine) {
  const std::string site =
      "open (/srv/a/long/way/to/the/app.py:12), called by main (/srv/x/run.py:3)";
  EXPECT_EQ(ShortPlaces(site, 100), site);
  EXPECT_EQ(ShortPlaces(site, 60), "open (...to/the/app.py:12), called by main (/srv/x/run.py:3)");
  EXPECT_NE(ShortPlaces(site, 52).find("app.py:12"), std::string::npos);
  EXPECT_NE(ShortPlaces(site, 52).find("run.py:3"), std::string::npos);
  for (size_t columns = 3; columns < 80; ++columns)
    EXPECT_LE(Width(ShortPlaces(site, columns)), columns);
  EXPECT_EQ(ShortPlaces("open (app.py", 8), CutEnd("open (app.py", 8));
}

}  // namespace
}  // namespace pqleash::reporter
