// SPDX-License-Identifier: Apache-2.0
//
// A program with two functions that open connections: one closes them, the other does not. It says
// where, then waits until its stdin ends.
//
//   orders LEAKED CLOSED [failed] [in-transaction]

#include <libpq-fe.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace orders {

std::vector<PGconn*> kept;

// Opens a connection that nobody finishes. Returns the line of the call.
[[gnu::noinline]] int WriteAuditRecord() {
  PGconn* conn = PQconnectdb("application_name=orders");
  const int line = __LINE__ - 1;
  if (PQstatus(conn) != CONNECTION_OK) exit(1);
  PQclear(PQexec(conn, "SELECT 1"));
  kept.push_back(conn);
  return line;
}

[[gnu::noinline]] void ReadPrice() {
  PGconn* conn = PQconnectdb("application_name=orders");
  PQclear(PQexec(conn, "SELECT 1"));
  PQfinish(conn);
}

[[gnu::noinline]] int ConnectToNothing() {
  PGconn* conn = PQconnectdb("application_name=orders dbname=no_such_database");
  const int line = __LINE__ - 1;
  kept.push_back(conn);
  return line;
}

[[gnu::noinline]] int ReserveStock() {
  PGconn* conn = PQconnectdb("application_name=orders");
  const int line = __LINE__ - 1;
  PQclear(PQexec(conn, "BEGIN"));
  PQclear(PQexec(conn, "SELECT 1"));
  kept.push_back(conn);
  return line;
}

}  // namespace orders

int main(int argc, char** argv) {
  const int leaked = argc > 1 ? atoi(argv[1]) : 0;  // NOLINT(cert-err34-c): from our own tests
  const int closed = argc > 2 ? atoi(argv[2]) : 0;  // NOLINT(cert-err34-c)
  int line = 0;
  for (int i = 0; i < leaked; ++i) line = orders::WriteAuditRecord();
  printf("WriteAuditRecord connects in line %d\n", line);
  for (int i = 0; i < closed; ++i) orders::ReadPrice();
  for (int i = 3; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "failed")
      printf("ConnectToNothing connects in line %d\n", orders::ConnectToNothing());
    if (word == "in-transaction")
      printf("ReserveStock connects in line %d\n", orders::ReserveStock());
  }
  puts("ready");
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 42;
}
