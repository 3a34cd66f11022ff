// SPDX-License-Identifier: Apache-2.0
//
// A plugin that brings libpq into a program that has none.

#include "tests/preload/programs/program.h"

using namespace program;

extern "C" __attribute__((visibility("default"))) PGconn* PluginConnect() { return Connect(); }
extern "C" __attribute__((visibility("default"))) void PluginWork(PGconn* conn) {
  Query(conn, "SELECT 1");
}
extern "C" __attribute__((visibility("default"))) void PluginFinish(PGconn* conn) { Finish(conn); }
// A tail call: the return address that PQfinish sees lies in the program, which has no libpq.
extern "C" __attribute__((visibility("default"))) void PluginFinishAtOnce(PGconn* conn) {
  PQfinish(conn);
}
extern "C" __attribute__((visibility("default"))) int PluginLibpqVersion() {
  return PQlibVersion();
}
