// SPDX-License-Identifier: Apache-2.0
//
// An ordinary client: connects, works, fails, leaves one connection open.

#include "tests/preload/programs/program.h"

using namespace program;

int main() {
  PGconn* first = Connect();
  Query(first, "SELECT 1");
  Query(first, "BEGIN");
  Query(first, "SELECT 1/0");
  Query(first, "ROLLBACK");
  PGconn* failed = Connect(kFailing);
  Finish(failed);
  PGconn* unfinished = Connect();
  Query(unfinished, "SELECT 1");
  Finish(first);
  SayDescriptors();
  return 5;
}
