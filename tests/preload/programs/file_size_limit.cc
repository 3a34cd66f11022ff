// SPDX-License-Identifier: Apache-2.0
//
// May write no file larger than one page: going beyond it raises SIGXFSZ, which ends a process.

#include <sys/resource.h>

#include "tests/preload/programs/program.h"

using namespace program;

int main() {
  const rlimit limit = {4096, 4096};
  Say("limited: %d", setrlimit(RLIMIT_FSIZE, &limit));
  PGconn* conn = Connect();
  Query(conn, "SELECT 1");
  Finish(conn);
  SayDescriptors();
}
