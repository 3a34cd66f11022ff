// SPDX-License-Identifier: Apache-2.0
//
// Begins as root and goes on as somebody else, as daemons do.
//   setuid         connects before and after
//   setuid-first   connects only as the other user
//   seteuid        changes the effective user, connects, and changes back

#include <grp.h>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

constexpr uid_t kOther = 65534;

void Work() {
  PGconn* conn = Connect();
  Query(conn, "SELECT 1");
  Finish(conn);
}

}  // namespace

int main(int argc, char** argv) {
  if (!Mode(argc, argv, "setuid-first")) Work();
  if (Mode(argc, argv, "seteuid")) {
    Say("seteuid: %d", seteuid(kOther));
    Work();
    Say("seteuid: %d", seteuid(0));
  } else {
    Say("groups: %d", setgroups(0, nullptr));
    Say("setgid: %d", setgid(kOther));
    Say("setuid: %d", setuid(kOther));
  }
  Work();
  const pid_t child = fork();
  if (child == 0) {
    Work();
    _exit(0);
  }
  Reap(child);
  SayDescriptors();
}
