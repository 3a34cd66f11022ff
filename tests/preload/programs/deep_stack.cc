// SPDX-License-Identifier: Apache-2.0
//
// Connects at the depth given as the argument: deeper than any stack that is recorded.

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

__attribute__((noinline)) int Descend(int depth) {
  if (depth == 0) {
    Finish(Connect());
    return 0;
  }
  const int below = Descend(depth - 1);
  __asm__ volatile("" ::: "memory");  // no tail call
  return below + 1;
}

}  // namespace

int main(int argc, char** argv) {
  Say("depth: %d", Descend(argc > 1 ? atoi(argv[1]) : 0));  // NOLINT(cert-err34-c)
}
