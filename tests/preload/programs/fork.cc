// SPDX-License-Identifier: Apache-2.0
//
// A child and the connections of its parent.
//   plain    the child ends without touching anything
//   connect  the child opens, uses and finishes a connection of its own, and leaves another open
//   use      the child uses the inherited connection, which ends it for the parent when the child
//   finishes it twice    a grandchild connects too first    only the child connects

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

void ChildConnects() {
  PGconn* own = Connect();
  Query(own, "SELECT 1");
  Finish(own);
  Connect();
}

[[noreturn]] void Child(int argc, char** argv, PGconn* inherited) {
  if (Mode(argc, argv, "connect") || Mode(argc, argv, "first")) ChildConnects();
  if (Mode(argc, argv, "use")) {
    Query(inherited, "SELECT 1");
    Finish(inherited);
  }
  if (Mode(argc, argv, "twice")) {
    ChildConnects();
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      ChildConnects();
      _exit(12);
    }
    Reap(grandchild);
  }
  SayDescriptors();
  _exit(11);
}

}  // namespace

int main(int argc, char** argv) {
  PGconn* conn = Mode(argc, argv, "first") ? nullptr : Connect();
  const pid_t child = fork();
  if (child == 0) Child(argc, argv, conn);
  Reap(child);
  if (conn != nullptr) {
    PGresult* result = PQexec(conn, "SELECT 1");
    Say("parent goes on: %d", static_cast<int>(PQresultStatus(result)));
    PQclear(result);
    Finish(conn);
  }
  PGconn* another = Connect();
  Finish(another);
  SayDescriptors();
}
