// SPDX-License-Identifier: Apache-2.0
//
// Its library has connected before main begins, and finishes after main has ended.

#include "tests/preload/programs/program.h"

using namespace program;

extern "C" PGconn* early_connection;

int main() {
  Say("main");
  Query(early_connection, "SELECT 1");
  SayDescriptors();
  return 3;
}
