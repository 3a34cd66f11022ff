// SPDX-License-Identifier: Apache-2.0
//
// Two hosts of which the first is dead: one connection for each connect, and one failed attempt
// that is none.

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static char conninfo[512];

// A port that is taken, and where nobody listens: a connect is refused.
static int dead_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof(address);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr*)&address, size) != 0) exit(3);
  if (getsockname(fd, (struct sockaddr*)&address, &size) != 0) exit(3);
  return ntohs(address.sin_port);
}

static void check(PGconn* connection) {
  if (PQstatus(connection) == CONNECTION_OK) return;
  fputs(PQerrorMessage(connection), stderr);
  exit(1);
}

static void open_report(void) {
  PGconn* connection = PQconnectdb(conninfo);  // LEAK
  check(connection);
}

static void load_user(void) {
  PGconn* connection = PQconnectdb(conninfo);
  check(connection);
  PGresult* result = PQexec(connection, "SELECT current_user");
  printf("user %s\n", PQgetvalue(result, 0, 0));
  PQclear(result);
  PQfinish(connection);
}

int main(int count, char** words) {
  if (count != 2) return 2;
  snprintf(conninfo, sizeof(conninfo),
           "host=127.0.0.1,%s port=%d,%s application_name=report_service", getenv("PGHOST"),
           dead_port(), getenv("PGPORT"));
  for (int left = atoi(words[1]); left > 0; --left) open_report();
  load_user();
  puts("ready");
  fflush(stdout);
  getchar();
  puts("done");
  return 0;
}
