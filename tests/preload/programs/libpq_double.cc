// SPDX-License-Identifier: Apache-2.0
//
// A double of libpq as unit tests link it: what the code under test calls, and nothing else. Its
// connection is none of libpq's: who reads a field of it reads anything.

#include <libpq-fe.h>

#include <cstdlib>

#define DOUBLE extern "C" __attribute__((visibility("default")))

struct pg_conn {
  int queries;
};
struct pg_result {
  int number;
};

DOUBLE PGconn* PQconnectdb(const char*) { return static_cast<PGconn*>(calloc(1, sizeof(PGconn))); }
DOUBLE ConnStatusType PQstatus(const PGconn* conn) {
  return conn != nullptr ? CONNECTION_OK : CONNECTION_BAD;
}
DOUBLE PGresult* PQexec(PGconn* conn, const char*) {
  if (conn == nullptr) return nullptr;
  auto* result = static_cast<PGresult*>(malloc(sizeof(PGresult)));
  result->number = ++conn->queries;
  return result;
}
DOUBLE int PQntuples(const PGresult* result) { return result != nullptr ? result->number : -1; }
DOUBLE void PQclear(PGresult* result) { free(result); }
DOUBLE void PQfinish(PGconn* conn) { free(conn); }
// Calls itself as libpq does.
DOUBLE void PQreset(PGconn* conn) { PQclear(PQexec(conn, "reset")); }
