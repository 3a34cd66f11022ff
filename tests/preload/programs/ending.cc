// SPDX-License-Identifier: Apache-2.0
//
// The ways in which a process ends while a connection is open; the argument names one.

#include <csignal>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

PGconn* open_connection = nullptr;

void FinishAtExit() {
  Say("exit handler");
  Finish(open_connection);
}

void ConnectAtExit() {
  Say("exit handler");
  Finish(Connect());
}

struct FinishedByDestructor {
  PGconn* conn = nullptr;
  ~FinishedByDestructor() {
    if (conn == nullptr) return;
    Say("destructor");
    Finish(conn);
  }
};
FinishedByDestructor global;

}  // namespace

int main(int argc, char** argv) {
  if (Mode(argc, argv, "atexit-first"))
    atexit(FinishAtExit);  // registered before anybody's first connect
  open_connection = Connect();
  Query(open_connection, "SELECT 1");
  Connect();
  SayDescriptors();
  if (Mode(argc, argv, "atexit")) atexit(FinishAtExit);
  if (Mode(argc, argv, "atexit-connect")) atexit(ConnectAtExit);
  if (Mode(argc, argv, "destructor")) global.conn = open_connection;
  if (Mode(argc, argv, "_exit")) _exit(21);
  if (Mode(argc, argv, "quick_exit")) quick_exit(22);
  if (Mode(argc, argv, "exit")) exit(23);
  if (Mode(argc, argv, "abort")) abort();
  if (Mode(argc, argv, "terminated")) raise(SIGTERM);
  if (Mode(argc, argv, "crash")) raise(SIGSEGV);
  return 24;
}
