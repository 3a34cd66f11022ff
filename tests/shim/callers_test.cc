// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/script/callers.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

namespace pqleash::stack {
namespace {

const char* At(uintptr_t address) { return reinterpret_cast<const char*>(address); }

// Three calls: from 0x1008, 0x2008 and 0x3008.
int TakeThree(void** addresses, int capacity) {
  EXPECT_GE(capacity, 3);
  for (uintptr_t i = 0; i < 3; ++i) addresses[i] = const_cast<char*>(At(0x1008 + i * 0x1000));
  return 3;
}

constexpr CodeRange kFirst = {0x1000, 0x1010};
constexpr CodeRange kSecond = {0x2000, 0x2010};
constexpr CodeRange kElsewhere = {0x9000, 0x9010};

TEST(CodeRange, HoldsCallsByTheAddressTheyReturnTo) {
  EXPECT_FALSE(kFirst.Made(At(0x1000))) << "the call is the last of the function before";
  EXPECT_TRUE(kFirst.Made(At(0x1001)));
  EXPECT_TRUE(kFirst.Made(At(0x1010))) << "the call is the last instruction";
  EXPECT_FALSE(kFirst.Made(At(0x1011)));
  EXPECT_FALSE(CodeRange().Made(At(0x1000)));
  EXPECT_FALSE(CodeRange().Made(nullptr));
}

TEST(CodeRange, IsThatOfAFunctionThatItsObjectNames) {
  void* function = dlsym(RTLD_DEFAULT, "qsort");
  ASSERT_NE(function, nullptr);
  const CodeRange range = CodeRange::Of(function);
  EXPECT_EQ(range.begin, reinterpret_cast<uintptr_t>(function));
  EXPECT_GT(range.end, range.begin);
  EXPECT_EQ(CodeRange::Of(static_cast<char*>(function) + 1), CodeRange()) << "no beginning";
  EXPECT_EQ(CodeRange::Of(nullptr), CodeRange());
  int local = 0;
  EXPECT_EQ(CodeRange::Of(&local), CodeRange());
}

TEST(Callers, TheInnermostOfSeveralFunctions) {
  const Callers callers(TakeThree);
  EXPECT_EQ(callers.Get().size(), 3u);
  EXPECT_EQ(callers.Innermost({kSecond, kFirst}), 0u);
  EXPECT_EQ(callers.Innermost({kElsewhere, kSecond}), 1u);
  EXPECT_EQ(callers.Innermost({kElsewhere}), 3u) << "none";
  EXPECT_EQ(callers.Innermost({CodeRange()}), 3u);
}

}  // namespace
}  // namespace pqleash::stack
