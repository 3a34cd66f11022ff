// SPDX-License-Identifier: Apache-2.0
//
// Healthy: a pre-fork server that warms up. The parent looks at the schema and disconnects; each of
// four workers opens three connections in advance and waits for traffic.

#include <unistd.h>

#include "tests/incidents/programs/service.h"

int main() {
  PGconn* schema = PQconnectdb("application_name=prefork");
  shop::Execute(schema, "select count(*) from pg_class");
  PQfinish(schema);
  bool worker = false;
  for (int i = 0; i < 4 && !worker; ++i) worker = fork() == 0;
  if (worker) {
    PGconn* pool[3];
    for (PGconn*& conn : pool) {
      conn = PQconnectdb("application_name=prefork-worker");
      shop::Execute(conn, "set statement_timeout = '30s'");
    }
    shop::Say("serving");
  }
  for (;;) pause();
}
