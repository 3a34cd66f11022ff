// SPDX-License-Identifier: Apache-2.0
//
// Moves away from the paths that were valid when it began.
//   chdir          connects before and after chdir
//   chroot         the same with chroot
//   chroot-first   connects only in the other root

#include <sys/stat.h>

#include "tests/preload/programs/program.h"

using namespace program;

int main(int argc, char** argv) {
  if (!Mode(argc, argv, "chroot-first")) {
    PGconn* first = Connect();
    Query(first, "SELECT 1");
    Finish(first);
  }
  mkdir("elsewhere", 0700);
  if (Mode(argc, argv, "chdir")) {
    Say("chdir: %d", chdir("elsewhere"));
  } else {
    Say("chroot: %d", chroot("elsewhere"));
    Say("chdir: %d", chdir("/"));
  }
  PGconn* second = Connect();
  Query(second, "SELECT 1");
  Finish(second);
  const pid_t child = fork();
  if (child == 0) {
    Finish(Connect());
    _exit(0);
  }
  Reap(child);
}
