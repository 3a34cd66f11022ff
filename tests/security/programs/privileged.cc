// SPDX-License-Identifier: Apache-2.0
//
// Linked with the library, as a program that asks for its C interface is, and not preloaded: says
// what the kernel told it of its privileges, and how many connections the library knows.

#include <libpq-fe.h>
#include <pqleash.h>
#include <sys/auxv.h>

#include <cstdio>

int main() {
  PGconn* conn = PQconnectdb("host=/nonexistent");
  const PGconn* known = nullptr;
  std::printf("secure %d, failed %d, known %zu\n", getauxval(AT_SECURE) != 0 ? 1 : 0,
              PQstatus(conn) == CONNECTION_BAD ? 1 : 0, pqleash_opened_since(0, &known, 1));
  PQfinish(conn);
}
