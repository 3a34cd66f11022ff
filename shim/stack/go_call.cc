// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/go_call.h"

#include <cstring>
#include <initializer_list>

namespace pqleash::stack {
namespace {

// Instructions of amd64, one after the other. Whoever takes one that is not there has lost.
class Code {
 public:
  explicit Code(const uint8_t* code) : at_(code), end_(code + kGoCallCode) {}

  bool Take(std::initializer_list<uint8_t> bytes) {
    if (static_cast<size_t>(end_ - at_) < bytes.size()) return false;
    if (std::memcmp(at_, bytes.begin(), bytes.size()) != 0) return false;
    at_ += bytes.size();
    return true;
  }

  // OPCODE offset(%rsp), REGISTER, with REX.W; `reg`: the number of the register.
  bool TakeFromStack(uint8_t opcode, uint8_t reg, uint8_t* offset) {
    const auto modrm = static_cast<uint8_t>(reg << 3 | 4);
    if (Take({0x48, opcode, modrm, 0x24})) {
      *offset = 0;
      return true;
    }
    if (!Take({0x48, opcode, static_cast<uint8_t>(0x40 | modrm), 0x24}) || at_ == end_) {
      return false;
    }
    *offset = *at_++;
    return *offset < 0x80;
  }

  bool Skip(size_t size) {
    if (static_cast<size_t>(end_ - at_) < size) return false;
    at_ += size;
    return true;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

constexpr uint8_t kRdi = 7;
constexpr uint8_t kRsi = 6;

// The offset of the thread's g, of a program that may lie anywhere: mov offset(%rip), %rcx, or what
// the linker makes of it, mov $offset, %rcx.
bool TakeOffsetOfG(Code* code) {
  return (code->Take({0x48, 0x8b, 0x0d}) || code->Take({0x48, 0xc7, 0xc1})) && code->Skip(4);
}

// mov %rdi, %fs:offset or mov %rdi, %fs:(%rcx): the thread's g is the goroutine again.
bool TakeStoreOfG(Code* code) {
  return (code->Take({0x64, 0x48, 0x89, 0x3c, 0x25}) && code->Skip(4)) ||
         code->Take({0x64, 0x48, 0x89, 0x39});
}

}  // namespace

bool DecodeGoCall(const uint8_t* bytes, GoCall* call) {
  Code code(bytes);
  TakeOffsetOfG(&code);
  // mov g(%rsp), %rdi; mov 8(%rdi), %rsi; sub depth(%rsp), %rsi
  if (!code.TakeFromStack(0x8b, kRdi, &call->g_offset) || !code.Take({0x48, 0x8b, 0x77, 0x08}) ||
      !code.TakeFromStack(0x2b, kRsi, &call->depth_offset)) {
    return false;
  }
  TakeOffsetOfG(&code);
  if (!TakeStoreOfG(&code)) return false;
  // mov %rsi, %rsp; mov %eax, 24(%rsp); ret: so that the goroutine's SP is at a return address.
  return code.Take({0x48, 0x89, 0xf4}) && code.Take({0x89, 0x44, 0x24, 0x18, 0xc3});
}

}  // namespace pqleash::stack
