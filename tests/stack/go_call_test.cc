// SPDX-License-Identifier: Apache-2.0
//
// The code behind Go's call of C, as its versions and its ways of linking have it.

#include "shim/stack/go_call.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace pqleash::stack {
namespace {

using Bytes = std::vector<uint8_t>;

std::array<uint8_t, kGoCallCode> Padded(const Bytes& bytes) {
  std::array<uint8_t, kGoCallCode> code;
  code.fill(0xcc);
  std::copy(bytes.begin(), bytes.end(), code.begin());
  return code;
}

// Go 1.19, as Debian 12's compiler writes it.
const Bytes kExecutable = {0x48, 0x8b, 0x7c, 0x24, 0x30,              // mov 48(%rsp), %rdi
                           0x48, 0x8b, 0x77, 0x08,                    // mov 8(%rdi), %rsi
                           0x48, 0x2b, 0x74, 0x24, 0x28,              // sub 40(%rsp), %rsi
                           0x64, 0x48, 0x89, 0x3c, 0x25, 0xf8, 0xff,  // mov %rdi, %fs:-8
                           0xff, 0xff, 0x48, 0x89, 0xf4,              // mov %rsi, %rsp
                           0x89, 0x44, 0x24, 0x18, 0xc3};             // mov %eax, 24(%rsp); ret

TEST(DecodeGoCallTest, OfAnExecutable) {
  GoCall call = {};
  ASSERT_TRUE(DecodeGoCall(Padded(kExecutable).data(), &call));
  EXPECT_EQ(call.g_offset, 48);
  EXPECT_EQ(call.depth_offset, 40);
}

// -buildmode=pie, and what the linker may leave of it; the slots of Go 1.22 and later.
TEST(DecodeGoCallTest, OfAProgramThatMayLieAnywhere) {
  for (const Bytes& offset_of_g : {Bytes{0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff},
                                   Bytes{0x48, 0x8b, 0x0d, 0x10, 0x20, 0x30, 0x00}}) {
    Bytes bytes = offset_of_g;
    const Bytes rest = {0x48, 0x8b, 0x7c, 0x24, 0x08,   // mov 8(%rsp), %rdi
                        0x48, 0x8b, 0x77, 0x08,         // mov 8(%rdi), %rsi
                        0x48, 0x2b, 0x34, 0x24,         // sub (%rsp), %rsi
                        0x64, 0x48, 0x89, 0x39,         // mov %rdi, %fs:(%rcx)
                        0x48, 0x89, 0xf4,               // mov %rsi, %rsp
                        0x89, 0x44, 0x24, 0x18, 0xc3};  // mov %eax, 24(%rsp); ret
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    GoCall call = {};
    ASSERT_TRUE(DecodeGoCall(Padded(bytes).data(), &call));
    EXPECT_EQ(call.g_offset, 8);
    EXPECT_EQ(call.depth_offset, 0);
  }
}

TEST(DecodeGoCallTest, NothingElse) {
  GoCall call = {};
  EXPECT_FALSE(DecodeGoCall(Padded({}).data(), &call));
  for (size_t i = 0; i < kExecutable.size(); ++i) {
    const bool is_operand = i == 4 || i == 13 || (i >= 19 && i < 23);
    auto code = Padded(kExecutable);
    code[i] ^= 0x80;
    const bool decoded = DecodeGoCall(code.data(), &call);
    // An offset from SP is not negative; where the thread keeps g is not ours to know.
    EXPECT_EQ(decoded, is_operand && i >= 19) << i;
  }
}

}  // namespace
}  // namespace pqleash::stack
