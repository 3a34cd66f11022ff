// SPDX-License-Identifier: Apache-2.0
//
// A unit test that runs against a double of libpq.

#include "tests/preload/programs/program.h"

using namespace program;

int main() {
  errno = kErrnoMark;
  PGconn* conn = PQconnectdb("");
  Say("connected: %d", PQstatus(conn) == CONNECTION_OK);
  for (int i = 0; i < 3; ++i) {
    PGresult* result = PQexec(conn, "SELECT 1");
    Say("query %d", PQntuples(result));
    PQclear(result);
  }
  PQreset(conn);
  PGresult* result = PQexec(conn, "SELECT 1");
  Say("after the reset: query %d", PQntuples(result));
  PQclear(result);
  PQfinish(conn);
  PQfinish(nullptr);
  Say("errno %d", errno);
  return PQstatus(nullptr) == CONNECTION_BAD ? 6 : 1;
}
