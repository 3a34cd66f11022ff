// SPDX-License-Identifier: Apache-2.0
//
// Functions whose frames differ in what a stack unwinder has to cope with. shapes.cc is compiled
// once for each way of compiling; each copy lists its functions.

#ifndef PQLEASH_TESTS_STACK_SHAPES_H_
#define PQLEASH_TESTS_STACK_SHAPES_H_

#include <span>

namespace pqleash::stack {

using Inner = void (*)();

struct Shape {
  const char* name;
  void (*call)(Inner inner);  // calls `inner` from within frames of the shape
};

std::span<const Shape> ShapesWithoutFramePointer();
std::span<const Shape> ShapesWithFramePointer();
std::span<const Shape> ShapesUnoptimized();

// frames.S: `garbage` replaces the caller's saved frame pointer or the return address for the time
// of the call.
extern "C" {
void CallWithoutFde(Inner inner);
void CallWithoutFdeOrFramePointer(Inner inner);
void CallWithOddCfa(Inner inner);
void CallWithGarbageFramePointer(Inner inner, unsigned long garbage);
void CallWithGarbageReturnAddress(Inner inner, unsigned long garbage);
}

}  // namespace pqleash::stack

#endif  // PQLEASH_TESTS_STACK_SHAPES_H_
