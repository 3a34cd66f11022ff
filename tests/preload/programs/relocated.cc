// SPDX-License-Identifier: Apache-2.0
//
// Its library has asked dlsym while it was relocated.

#include "tests/preload/programs/program.h"

using namespace program;

extern "C" int ResolvedEarly();

int main() {
  Say("found while relocated: %d", ResolvedEarly());
  Finish(Connect());
  SayDescriptors();
}
