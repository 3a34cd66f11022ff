// SPDX-License-Identifier: Apache-2.0
//
// Leaves libpq from inside a callback.
//   longjmp  out of a notice processor
//   throw    a C++ exception, out of a notice processor
// Afterwards connections are opened and counted as before.

#include <csetjmp>
#include <stdexcept>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

constexpr char kNoticing[] = "DO $$ BEGIN RAISE NOTICE 'hello'; END $$";
jmp_buf back;

void Jump(void*, const char*) { longjmp(back, 1); }
void Throw(void*, const char*) { throw std::runtime_error("out of a callback"); }

void LeaveByJump() {
  PGconn* volatile conn = Connect();
  PQsetNoticeProcessor(conn, Jump, nullptr);
  if (setjmp(back) == 0) {
    PQexec(conn, kNoticing);
    Say("not reached");
  }
  Say("jumped");
  Finish(conn);
}

void LeaveByThrow() {
  PGconn* conn = Connect();
  PQsetNoticeProcessor(conn, Throw, nullptr);
  try {
    PQexec(conn, kNoticing);
    Say("not reached");
  } catch (const std::runtime_error& error) {
    Say("caught: %s", error.what());
  }
  Finish(conn);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 0; i < 3; ++i) {
    if (Mode(argc, argv, "longjmp")) LeaveByJump();
    if (Mode(argc, argv, "throw")) LeaveByThrow();
    PGconn* conn = Connect();
    Query(conn, "SELECT 1");
    Finish(conn);
  }
  SayDescriptors();
}
