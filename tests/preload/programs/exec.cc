// SPDX-License-Identifier: Apache-2.0
//
// The same process id, another program: connects, replaces itself, connects again.

#include "tests/preload/programs/program.h"

using namespace program;

int main(int argc, char** argv) {
  Finish(Connect());
  PGconn* kept = Connect();
  Query(kept, "SELECT 1");
  SayDescriptors();
  if (Mode(argc, argv, "again")) return 4;
  execl("/proc/self/exe", argv[0], "again", nullptr);
  return 1;
}
