// SPDX-License-Identifier: Apache-2.0

#include "reporter/symbols/demangle.h"

#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

TEST(DemangleTest, Names) {
  struct Case {
    const char* symbol;
    const char* name;
  };
  const Case cases[] = {
      {"main", "main"},
      {"", ""},
      {"connect@@GLIBC_2.2.5", "connect"},
      {"_ZN4shop7Session4OpenEi", "shop::Session::Open(int)"},
      {"_ZN4shop3GetIiEEvT_", "void shop::Get<int>(int)"},
      {"_Znot_a_symbol", "_Znot_a_symbol"},
      {"_Z", "_Z"},
      // Rust, as rustc has mangled by default so far.
      {"_ZN4shop4pool7connect17h0123456789abcdefE", "shop::pool::connect"},
      {"_ZN4shop4pool28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE",
       "shop::pool::_{{closure}}"},
      {"_ZN52_$LT$shop..Pool$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
       "<shop::Pool as core::ops::drop::Drop>::drop"},
      // Not a hash: too short, or not hexadecimal.
      {"_ZN4shop7connect16h0123456789abcdeE", "shop::connect::h0123456789abcde"},
      {"_ZN4shop7connect17hello_hello_helloE", "shop::connect::hello_hello_hello"},
      // Rust v0 is left to debug information.
      {"_RNvCs1234_7mycrate3foo", "_RNvCs1234_7mycrate3foo"},
  };
  for (const Case& test : cases) EXPECT_EQ(Demangle(test.symbol), test.name) << test.symbol;
}

TEST(DemangleTest, HugeSymbolsAreLeftAlone) {
  const std::string symbol = "_Z" + std::string(1'000'000, 'P') + "i";
  EXPECT_EQ(Demangle(symbol), symbol);
}

}  // namespace
}  // namespace pqleash::reporter
