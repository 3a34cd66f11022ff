// SPDX-License-Identifier: Apache-2.0
//
//   named TEXT   calls everything that can be called so TEXT: thread, host, database, user,
//                application. Three connects fail; says 'ready' and waits for the end of stdin.

#include <libpq-fe.h>
#include <sys/prctl.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  prctl(PR_SET_NAME, argv[1]);
  char host[256];
  std::snprintf(host, sizeof host, "/nonexistent/%s", argv[1]);
  const char* const keys[] = {"host", "dbname", "user", "application_name", nullptr};
  const char* const values[] = {host, argv[1], argv[1], argv[1], nullptr};
  PGconn* conns[3];
  for (PGconn*& conn : conns) conn = PQconnectdbParams(keys, values, 0);
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  PQfinish(conns[0]);
}
