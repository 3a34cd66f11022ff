// SPDX-License-Identifier: Apache-2.0
//
// Has no file descriptor left when it connects for the first time.

#include <fcntl.h>
#include <sys/resource.h>

#include "tests/preload/programs/program.h"

using namespace program;

int main() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 32;
  setrlimit(RLIMIT_NOFILE, &limit);
  int last = -1;
  for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0;) last = fd;
  Finish(Connect());
  close(last);
  Finish(Connect());
  const int again = open("/dev/null", O_RDONLY);
  Say("the free number is free again: %d", again == last);
}
