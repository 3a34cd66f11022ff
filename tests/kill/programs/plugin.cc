// SPDX-License-Identifier: Apache-2.0
//
// Comes and goes, and has a frame in the stacks of what it opens.

#include <libpq-fe.h>

extern "C" __attribute__((visibility("default"))) PGconn* ConnectThrough(
    PGconn* (*connect)(const char*), const char* conninfo) {
  PGconn* conn = connect(conninfo);
  asm volatile("" : "+r"(conn));
  return conn;
}
