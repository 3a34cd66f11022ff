// SPDX-License-Identifier: Apache-2.0
//
// Call frame information: from the bytes of an object's .eh_frame_hdr and .eh_frame to the rule
// that finds the caller of one pc. A pure core: no system call, no allocation, no state, no lock.
//
// A rule is 8 bytes, because stacks are walked in ten nanoseconds a frame and a rule has to fit a
// cache entry. That is possible since compilers describe practically every pc that can be a return
// address by three facts: the CFA (the stack pointer of the caller, DWARF 5 section 6.4) is SP or
// FP plus a constant, the return address lies at a constant distance from it, and so does the
// caller's FP, where it was saved. What does not fit is reported as not expressible, never
// approximated.
//
// Sources: DWARF 5 section 6.4 (call frame instructions) and 2.5 (expressions); Linux Standard Base
// Core 5.0 section 10.6 (.eh_frame, .eh_frame_hdr, pointer encodings); System V psABI for x86-64
// section 3.6 and "DWARF for the Arm 64-bit Architecture" section 4 (register numbers).

#ifndef PQLEASH_SHIM_STACK_CFI_H_
#define PQLEASH_SHIM_STACK_CFI_H_

#include <cstdint>

namespace pqleash::stack {

// DWARF register numbers that differ from one instruction set to the next. An argument rather than
// an #ifdef, so that the tables of both are tested on either.
struct Architecture {
  uint8_t sp;
  uint8_t fp;
  uint8_t ra;          // the return address column
  bool link_register;  // a call leaves the return address in `ra`, not in memory
};
inline constexpr Architecture kX86_64 = {7, 6, 16, false};
inline constexpr Architecture kAarch64 = {31, 29, 30, true};

enum class RuleKind : uint8_t {
  kNone,            // no FDE covers the pc, or its bytes are damaged
  kFrame,           // the other fields of the FrameRule hold
  kOutermost,       // the return address is undefined: nobody called this code (_start, clone)
  kSignalFrame,     // augmentation 'S': the registers lie in a frame that the kernel wrote
  kNotExpressible,  // sound, but beyond what a FrameRule can say
};

enum class FpRule : uint8_t {
  kUnchanged,  // the caller's FP is still in the register
  kAtCfa,      // saved at CFA + fp_words
  kAtFp,       // saved at FP + fp_words (functions that realign their stack)
  kLost,       // undefined
};

// Distances are in words of 8 bytes: a CFA up to 16 MiB away, saved registers up to 512 KiB from
// it.
struct FrameRule {
  uint64_t kind : 3;            // RuleKind
  uint64_t fp_rule : 2;         // FpRule
  uint64_t cfa_from_fp : 1;     // the base of the CFA is FP; otherwise SP
  uint64_t cfa_is_stored : 1;   // CFA = the word at base + cfa_words; otherwise the sum itself
  uint64_t ra_in_register : 1;  // the return address is still in the link register
  int64_t cfa_words : 22;
  int64_t ra_words : 17;  // the return address lies at CFA + ra_words
  int64_t fp_words : 17;

  RuleKind Kind() const { return static_cast<RuleKind>(kind); }
  FpRule Fp() const { return static_cast<FpRule>(fp_rule); }
};
static_assert(sizeof(FrameRule) == 8);

constexpr FrameRule RuleOfKind(RuleKind kind) {
  FrameRule rule = {};
  rule.kind = static_cast<uint64_t>(kind);
  return rule;
}

struct ByteRange {
  const uint8_t* begin;
  const uint8_t* end;
};

// A loaded object, as far as its frame information is concerned. Every byte that FindRule reads
// lies in one of `segments`, whatever the bytes say: those are the object's readable PT_LOAD
// segments. Several, since rewriting tools leave the frames of old and new code in different ones.
struct Image {
  static constexpr int kMaxSegments = 8;

  const uint8_t* eh_frame_hdr;  // what PT_GNU_EH_FRAME points at
  ByteRange segments[kMaxSegments];
  int segment_count;
};

// The rule for `pc`, an address inside the instruction in question: for a return address pass the
// address minus one, since a call can be the last instruction of its function.
// Work is bounded by the length of the FDE (and 65,536 instructions). Objects without the binary
// search table of .eh_frame_hdr give kNone. Safe in any thread and in signal handlers.
FrameRule FindRule(const Image& image, const Architecture& architecture, uintptr_t pc) noexcept;

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_CFI_H_
