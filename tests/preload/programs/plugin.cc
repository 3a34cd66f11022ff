// SPDX-License-Identifier: Apache-2.0
//
// A plugin that brings libpq into a program that has none.

#include "tests/preload/programs/program.h"

using namespace program;

#ifdef PQLEASH_TEST_TAIL_CALLS
extern "C" __attribute__((visibility("default"))) PGconn* PluginConnect() {
  return PQconnectdb("");
}
#else
extern "C" __attribute__((visibility("default"))) PGconn* PluginConnect() { return Connect(); }
#endif
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

// Runs when it is unloaded, and not at the end, unless something has kept it.
__attribute__((destructor)) static void SayUnloaded() { Say("the plugin goes"); }
