// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/tag.h"

#include <gtest/gtest.h>

#include <string>

namespace pqleash::tracker {
namespace {

constexpr uint64_t kSite = 0x00f3a1c2d4e5b697;

std::string Tagged(const std::string& name) {
  char tagged[kMaxApplicationName + 1];
  return TagApplicationName(name.c_str(), kSite, tagged) ? tagged : "none";
}

TEST(Tag, KeepsTheNameAndAddsTheCallSite) {
  EXPECT_EQ(Tagged("orders"), "orders [00f3a1c2d4e5b697]");
  EXPECT_EQ(Tagged(""), "[00f3a1c2d4e5b697]");
  EXPECT_EQ(Tagged("50%s"), "50%s [00f3a1c2d4e5b697]");
}

TEST(Tag, NeverCutsTheName) {
  const auto tagged = [](size_t length) { return Tagged(std::string(length, 'n')); };
  EXPECT_EQ(tagged(44), std::string(44, 'n') + " [00f3a1c2d4e5b697]");
  EXPECT_EQ(tagged(44).size(), kMaxApplicationName);
  EXPECT_EQ(tagged(45), std::string(45, 'n') + " [00f3a1c2d4e5b69]");
  EXPECT_EQ(tagged(54), std::string(54, 'n') + " [00f3a1]");
  EXPECT_EQ(tagged(55), "none");
  EXPECT_EQ(tagged(63), "none");
}

TEST(Tag, ComesOffAgain) {
  for (const size_t length : {0, 1, 44, 45, 54}) {
    const std::string name(length, 'n');
    EXPECT_EQ(WithoutTag(Tagged(name), kSite), name) << Tagged(name);
  }
}

TEST(Tag, WhatIsNoneStays) {
  for (const char* name : {"", "orders", "orders [eu]", "]", "[]", "orders [00f3]",
                           "orders [10f3a1c2d4e5b697]", "orders [00f3a1c2d4e5b6970]"})
    EXPECT_EQ(WithoutTag(name, kSite), name);
}

}  // namespace
}  // namespace pqleash::tracker
