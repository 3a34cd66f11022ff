// SPDX-License-Identifier: Apache-2.0
//
// Holds more connections at once than a ledger has room for by default.

#include <vector>

#include "tests/preload/programs/program.h"

using namespace program;

int main(int argc, char** argv) {
  const int count = argc > 1 ? atoi(argv[1]) : 0;  // NOLINT(cert-err34-c): from our own table
  std::vector<PGconn*> connections;
  int bad = 0;
  for (int i = 0; i < count; ++i) {
    connections.push_back(PQconnectdb(""));
    bad += PQstatus(connections.back()) != CONNECTION_OK;
  }
  for (PGconn* conn : connections) {
    PGresult* result = PQexec(conn, "SELECT 1");
    bad += PQresultStatus(result) != PGRES_TUPLES_OK;
    PQclear(result);
  }
  for (PGconn* conn : connections) PQfinish(conn);
  Finish(Connect());
  Say("bad: %d", bad);
  SayDescriptors();
}
