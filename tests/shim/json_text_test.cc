// SPDX-License-Identifier: Apache-2.0

#include "shim/support/json_text.h"

#include <gtest/gtest.h>

#include <string>

namespace pqleash {
namespace {

std::string Quoted(std::string_view text) {
  char memory[256];
  BoundedText bounded(memory, sizeof memory);
  JsonText json(&bounded);
  json.String({}, text);
  EXPECT_LT(bounded.length(), sizeof memory);
  return memory;
}

TEST(JsonText, EscapesWhatJsonMustNotHold) {
  EXPECT_EQ(Quoted("plain"), R"("plain")");
  EXPECT_EQ(Quoted("a\"b\\c"), R"("a\u0022b\u005cc")");
  EXPECT_EQ(Quoted(std::string_view("\n\0\x1b\x7f", 4)), R"("\u000a\u0000\u001b\u007f")");
}

TEST(JsonText, KeepsUtf8AndReplacesWhatIsNone) {
  EXPECT_EQ(Quoted("Jürgen 漢字 🐘"), "\"Jürgen 漢字 🐘\"");
  struct Case {
    const char* bytes;
    const char* expected;
  };
  const Case cases[] = {
      {"\xff", R"("\ufffd")"},
      {"\xc3", R"("\ufffd")"},                                // cut short
      {"\xc0\xaf", R"("\ufffd\ufffd")"},                      // overlong '/'
      {"\xe0\x80\xaf", R"("\ufffd\ufffd\ufffd")"},            // overlong
      {"\xed\xa0\x80", R"("\ufffd\ufffd\ufffd")"},            // a surrogate
      {"\xf4\x90\x80\x80", R"("\ufffd\ufffd\ufffd\ufffd")"},  // beyond U+10FFFF
      {"\xe6\xbc", R"("\ufffd\ufffd")"},
      {"x\x80y", R"("x\ufffdy")"},
  };
  for (const Case& c : cases) EXPECT_EQ(Quoted(c.bytes), c.expected);
}

TEST(JsonText, SeparatesMembersAndElements) {
  char memory[256];
  BoundedText bounded(memory, sizeof memory);
  JsonText json(&bounded);
  json.BeginObject();
  json.Number("a", 1);
  json.BeginArray("b");
  json.BeginObject();
  json.EndObject();
  json.Signed({}, -2);
  json.EndArray();
  json.Null("c");
  json.Seconds("d", 1'234'567'890);
  json.EndObject();
  EXPECT_STREQ(memory, R"({"a":1,"b":[{},-2],"c":null,"d":1.234})");
}

TEST(BoundedText, CountsWhatDoesNotFit) {
  for (size_t size = 0; size < 7; ++size) {
    char memory[8] = "#######";
    BoundedText bounded(memory, size);
    bounded.Append("abc");
    bounded.Print("%d", 12);
    EXPECT_EQ(bounded.length(), 5U);
    const std::string all = "abc12";
    if (size > 0) {
      EXPECT_EQ(std::string(memory), all.substr(0, size - 1));
    }
    EXPECT_EQ(memory[size], '#') << "beyond its " << size << " bytes";
  }
}

}  // namespace
}  // namespace pqleash
