// SPDX-License-Identifier: Apache-2.0
//
// Starts other programs beside open connections: vfork and exec, posix_spawn, system, popen.

#include <spawn.h>

#include "tests/preload/programs/program.h"

using namespace program;

extern char** environ;

int main() {
  PGconn* conn = Connect();
  const pid_t forked = vfork();
  if (forked == 0) {
    execl("/bin/sh", "sh", "-c", "exit 31", nullptr);
    _exit(127);
  }
  Reap(forked);
  pid_t spawned = 0;
  const char* const arguments[] = {"sh", "-c", "exit 32", nullptr};
  Say("spawned: %d",
      posix_spawn(&spawned, "/bin/sh", nullptr, nullptr, const_cast<char**>(arguments), environ));
  Reap(spawned);
  Say("system: %d", WEXITSTATUS(system("exit 33")));  // NOLINT(cert-env33-c)
  FILE* pipe = popen("exit 34", "r");
  Say("popen: %d", WEXITSTATUS(pclose(pipe)));
  Query(conn, "SELECT 1");
  Finish(conn);
  SayDescriptors();
}
