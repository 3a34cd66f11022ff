// SPDX-License-Identifier: Apache-2.0
//
// A service with a pool of two, that leaks a connection every second, until its stdin ends.

#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

std::vector<PGconn*> kept;

PGconn* Open(const char* conninfo) {
  PGconn* conn = PQconnectdb(conninfo);
  if (PQstatus(conn) != CONNECTION_OK) {
    fputs(PQerrorMessage(conn), stderr);
    exit(1);
  }
  PQclear(PQexec(conn, "SELECT 1"));
  return conn;
}

[[gnu::noinline]] PGconn* OpenForPool() { return Open("application_name=pool"); }

[[gnu::noinline]] void WriteAuditRecord() { kept.push_back(Open("application_name=audit")); }

}  // namespace

int main() {
  PGconn* pool[] = {OpenForPool(), OpenForPool()};
  puts("ready");
  fflush(stdout);
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  // The work of a second; the end of stdin ends it.
  while (poll(&input, 1, 1'000) == 0) {
    for (PGconn* conn : pool) PQclear(PQexec(conn, "SELECT 1"));
    if (kept.size() < 60) WriteAuditRecord();
  }
  return 0;
}
