// SPDX-License-Identifier: Apache-2.0

#include "tests/stack/shapes.h"

#include <alloca.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>

extern "C" void PluginCall(void (*inner)());  // plugin.S, in a shared object: through the PLT

namespace pqleash::stack {
namespace {

#define KEEP_FRAME asm volatile("" ::: "memory")  // behind a call: no tail call
#define OUT_OF_LINE __attribute__((noinline, noclone))

thread_local void* volatile t_sink;
thread_local volatile int t_size = 777;
thread_local Inner t_inner;

OUT_OF_LINE void Plain(Inner inner) {
  inner();
  KEEP_FRAME;
}

OUT_OF_LINE void Recurse(Inner inner, int depth) {
  if (depth > 0) {
    Recurse(inner, depth - 1);
  } else {
    inner();
  }
  KEEP_FRAME;
}

void Deep(Inner inner) { Recurse(inner, 150); }

OUT_OF_LINE void Alloca(Inner inner) {
  t_sink = alloca(static_cast<size_t>(t_size));
  inner();
  KEEP_FRAME;
}

OUT_OF_LINE void LargeFrame(Inner inner) {
  char room[300000];
  t_sink = room;
  inner();
  KEEP_FRAME;
}

OUT_OF_LINE void Realigned(Inner inner) {
  alignas(128) char room[256];
  t_sink = room;
  inner();
  KEEP_FRAME;
}

OUT_OF_LINE void RealignedAlloca(Inner inner) {
  alignas(64) char room[128];
  t_sink = room;
  t_sink = alloca(static_cast<size_t>(t_size));
  inner();
  KEEP_FRAME;
}

OUT_OF_LINE int ManyArguments(int a, int b, int c, int d, int e, int f, int g, int h, int i,
                              Inner inner) {
  inner();
  KEEP_FRAME;
  return a + b + c + d + e + f + g + h + i;
}

void StackArguments(Inner inner) {
  t_size = 777 + 0 * ManyArguments(t_size, 2, 3, 4, 5, 6, 7, 8, 9, inner);
  KEEP_FRAME;
}

OUT_OF_LINE void TailCaller(Inner inner) { Plain(inner); }
OUT_OF_LINE void TailCallOfTailCall(Inner inner) { TailCaller(inner); }

// Many values that live across the call: every callee-saved register is pushed.
OUT_OF_LINE void BusyRegisters(Inner inner) {
  volatile int source[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const int a = source[0], b = source[1], c = source[2], d = source[3];
  const int e = source[4], f = source[5], g = source[6], h = source[7];
  inner();
  source[0] = a + 2 * b + 3 * c + 5 * d + 7 * e + 11 * f + 13 * g + 17 * h;
}

int Compare(const void* a, const void* b) {
  if (t_inner) t_inner();
  t_inner = nullptr;
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

OUT_OF_LINE void Qsort(Inner inner) {
  int numbers[20];
  for (int i = 0; i < 20; ++i) numbers[i] = 7 * i % 20;
  t_inner = inner;
  qsort(numbers, 20, sizeof *numbers, Compare);
}

OUT_OF_LINE void Bsearch(Inner inner) {
  const int numbers[] = {1, 2, 3, 4, 5};
  const int key = 4;
  t_inner = inner;
  t_sink = bsearch(&key, numbers, 5, sizeof *numbers, Compare);
}

struct Base {
  virtual ~Base() = default;
  virtual void Call(Inner inner) = 0;
};
struct Derived : Base {
  OUT_OF_LINE void Call(Inner inner) override {
    Plain(inner);
    KEEP_FRAME;
  }
};

OUT_OF_LINE void Virtual(Inner inner) {
  std::unique_ptr<Base> object = std::make_unique<Derived>();
  object->Call(inner);
}

OUT_OF_LINE void StdFunction(Inner inner) {
  const std::function<void()> function = [inner, &function] {
    t_sink = const_cast<void*>(static_cast<const void*>(&function));
    inner();
  };
  const std::function<void()> outer = [&function] {
    function();
    KEEP_FRAME;
  };
  outer();
  KEEP_FRAME;
}

OUT_OF_LINE void InCatch(Inner inner) {
  try {
    throw std::runtime_error("thrown on purpose");
  } catch (const std::exception&) {
    inner();
  }
  KEEP_FRAME;
}

struct CallsInDestructor {
  Inner inner;
  ~CallsInDestructor() { inner(); }
};

// A clean-up during the unwinding of an exception: the frames of libgcc are on the stack.
OUT_OF_LINE void DuringUnwinding(Inner inner) {
  try {
    const CallsInDestructor object = {inner};
    throw std::runtime_error("thrown on purpose");
  } catch (const std::exception&) {
    KEEP_FRAME;
  }
}

OUT_OF_LINE void ThroughPlt(Inner inner) {
  PluginCall(inner);
  KEEP_FRAME;
}

OUT_OF_LINE void Mixed(Inner inner) {
  static thread_local Inner innermost;
  innermost = inner;
  Qsort([] {
    RealignedAlloca([] { StdFunction([] { LargeFrame([] { Recurse(innermost, 20); }); }); });
  });
  KEEP_FRAME;
}

constexpr Shape kShapes[] = {
    {"plain", Plain},
    {"deep recursion", Deep},
    {"alloca", Alloca},
    {"large frame", LargeFrame},
    {"realigned", Realigned},
    {"realigned and alloca", RealignedAlloca},
    {"stack arguments", StackArguments},
    {"tail calls", TailCallOfTailCall},
    {"busy registers", BusyRegisters},
    {"qsort", Qsort},
    {"bsearch", Bsearch},
    {"virtual", Virtual},
    {"std::function", StdFunction},
    {"in a catch block", InCatch},
    {"during unwinding", DuringUnwinding},
    {"through the PLT", ThroughPlt},
    {"mixed", Mixed},
};

}  // namespace

std::span<const Shape> PQLEASH_SHAPES() { return kShapes; }

}  // namespace pqleash::stack
