// SPDX-License-Identifier: Apache-2.0
//
// Stacks of coroutines within a thread's stack. A scheduler may lay the stacks of its coroutines
// into a frame of its own: a coroutine that is parked then lies in the part of the stack that the
// thread does not use, and is used again. Whoever parks one keeps where it goes on:
//  - ucontext_t (swapcontext) has the stack pointer and behind it the address of the code
//    (sys/ucontext.h, REG_RSP and REG_RIP), and may lie in a frame, too;
//  - others push registers and the address of the code, and keep the stack pointer alone
//    (boost::context's fcontext_t, libco): in a variable or on the heap.
// Pure.

#ifndef PQLEASH_REPORTER_REACHABILITY_PARKED_STACKS_H_
#define PQLEASH_REPORTER_REACHABILITY_PARKED_STACKS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "reporter/reachability/memory_map.h"

namespace pqleash::reporter {

// A word at `location` that leads into an unused part of a stack.
struct WordToStack {
  uint64_t location = 0;
  uint64_t address = 0;
  bool in_stack = false;  // the word itself lies in a thread's stack, used or not
};

// What lies around these words, of the process that they are of.
struct StackFacts {
  std::function<uint64_t(uint64_t address)> word_at;  // 0: none
  std::function<bool(uint64_t address)> is_code;
};

// For each of `unused`, parts of stacks below their threads' stack pointers in order of address,
// the address from which on a parked coroutine has its frames; its end: there is none.
std::vector<uint64_t> ParkedFrom(const std::vector<AddressRange>& unused,
                                 const std::vector<WordToStack>& words, const StackFacts& facts);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_PARKED_STACKS_H_
