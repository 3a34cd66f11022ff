// SPDX-License-Identifier: Apache-2.0

#include "shim/config/shape.h"

#include <gtest/gtest.h>

#include <string>

namespace pqleash::config {
namespace {

std::string Repeat(const std::string& text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST(Shape, WhatAConfigurationNeedsIsWithin) {
  for (const std::string& text : {
           std::string(),
           std::string("limit = 5\n[ledger]\nconnections = 100\n[[cap]]\nname = \"a\"\n"),
           Repeat("[[cap]]\nname = \"a.b.c.d.e.f.g.h.i.j\"\n", 64),
           "a = \"" + std::string(1'000, '[') + Repeat(".", 100) + "\"\n",
           "a = '" + std::string(1'000, '{') + "\\'\nb = 1\n",
           "a = \"\\\"" + std::string(1'000, '{') + "\"\nb = 1\n",
           "# " + std::string(1'000, '[') + Repeat(".", 100) + "\n",
           "a = \"\"\"\n\" \"\" \\\"\"\"\n" + std::string(1'000, '[') + "\"\"\"\"\"\nb = 1\n",
           "a = '''\n" + std::string(1'000, '[') + "'''\n",
           Repeat("a = [1.5, 2.5, 3.5]\n", 100),
           "a = [" + Repeat("[1], ", 1'000) + "]\n",
           Repeat("a.b.c.d = 1\n", 10),
           Repeat("]}", 1'000),
           // U+FE0F stands behind many an emoji; U+FEFF may begin a file.
           std::string("\xef\xbb\xbf# \xe2\x9a\xa0\xef\xb8\x8f careful\ndir = \"\xef\xb8\x8f\"\n"),
           std::string("a = '\xef\xb8\x8f'\nb = '''\n\xef\xb8\x8f'''\n"),
           std::string("\xef\xac\xa5 = 1\n"),
       }) {
    EXPECT_FALSE(FindExcess(text).has_value()) << text.substr(0, 80);
  }
}

TEST(Shape, WhatIsTooDeepIsFoundInItsLine) {
  struct Case {
    std::string text;
    uint32_t line;
    Excess::Kind kind;
  };
  const std::string deep(kMaxNesting + 1, '[');
  for (const Case& c : {
           Case{"\n" + deep, 2, Excess::Kind::kNesting},
           Case{Repeat("[\n", 200), kMaxNesting + 1, Excess::Kind::kNesting},
           Case{"a = " + Repeat("{a=", 200), 1, Excess::Kind::kNesting},
           Case{"a = " + Repeat("[{a=", 200), 1, Excess::Kind::kNesting},
           Case{"a" + Repeat(".a", 200'000 / 2) + " = 1", 1, Excess::Kind::kKeyParts},
           Case{"# a comment\n\"a\"" + Repeat(" . 'a'", 100), 2, Excess::Kind::kKeyParts},
           Case{"[a" + Repeat(".a", 100) + "]", 1, Excess::Kind::kKeyParts},
           Case{"a = {b = 1, a" + Repeat(".a", 100) + " = 1}", 1, Excess::Kind::kKeyParts},
           // Behind strings and comments of every kind.
           Case{"a = \"\"\"\n\"\"\"\"\n" + deep, 3, Excess::Kind::kNesting},
           Case{"a = '''\n'''''\n" + deep, 3, Excess::Kind::kNesting},
           Case{"a = \"\\\\\"\n" + deep, 2, Excess::Kind::kNesting},
           Case{"a = \"\"\n" + deep, 2, Excess::Kind::kNesting},
           Case{"a = '\\'" + deep, 1, Excess::Kind::kNesting},
           Case{"# \"\n" + deep, 2, Excess::Kind::kNesting},
           Case{"a = \"open\n" + deep, 2, Excess::Kind::kNesting},
           Case{"a = 1\n\xef\xb8\x8f = 2\n", 2, Excess::Kind::kCharacter},
           Case{"\xef\xac\xa6", 1, Excess::Kind::kCharacter},
           Case{"a = 1 \xef\xbb\xbe", 1, Excess::Kind::kCharacter},
           Case{"a = \"\"\"\n\\\xef\xb8\x8f\"\"\"\n", 2, Excess::Kind::kCharacter},
       }) {
    const auto excess = FindExcess(c.text);
    ASSERT_TRUE(excess.has_value()) << c.text.substr(0, 80);
    EXPECT_EQ(excess->line, c.line) << c.text.substr(0, 80);
    EXPECT_EQ(excess->kind, c.kind) << c.text.substr(0, 80);
  }
}

TEST(Shape, AFileMayHave256KiB) {
  EXPECT_FALSE(FindExcess(std::string(kMaxFileSize, '\n')).has_value());
  const auto excess = FindExcess(std::string(kMaxFileSize + 1, '\n'));
  ASSERT_TRUE(excess.has_value());
  EXPECT_EQ(excess->kind, Excess::Kind::kSize);
}

}  // namespace
}  // namespace pqleash::config
