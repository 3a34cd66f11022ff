// SPDX-License-Identifier: Apache-2.0
//
// A library that connects when it is loaded: before main, and before a preloaded library is
// initialised.

#include "tests/preload/programs/program.h"

using namespace program;

extern "C" __attribute__((visibility("default"))) PGconn* early_connection;
PGconn* early_connection = nullptr;

__attribute__((constructor)) static void ConnectEarly() {
  early_connection = Connect();
  Query(early_connection, "SELECT 1");
  Finish(Connect());
  if (getenv("PQLEASH_TEST_EARLY_EXIT") != nullptr) {
    SayDescriptors();
    _exit(9);  // without main
  }
}

__attribute__((destructor)) static void FinishLate() {
  if (early_connection != nullptr) Finish(early_connection);
}
