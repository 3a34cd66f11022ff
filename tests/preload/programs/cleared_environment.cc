// SPDX-License-Identifier: Apache-2.0
//
// Clears its environment before it connects.

#include "tests/preload/programs/program.h"

using namespace program;

int main() {
  char conninfo[512];
  const char* host = getenv("PGHOST");
  const char* port = getenv("PGPORT");
  const char* user = getenv("PGUSER");
  if (host != nullptr && port != nullptr && user != nullptr) {
    snprintf(conninfo, sizeof(conninfo), "host=%s port=%s user=%s dbname=postgres", host, port,
             user);
  } else {
    conninfo[0] = '\0';
  }
  Say("cleared: %d", clearenv());
  PGconn* conn = PQconnectdb(conninfo);
  Say("status: %d", static_cast<int>(PQstatus(conn)));
  PQfinish(conn);
  SayDescriptors();
}
