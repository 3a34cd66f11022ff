// SPDX-License-Identifier: Apache-2.0
//
// PQconnectStartParams and a loop around poll(), as the documentation of libpq tells it.

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static const char* const kKeywords[] = {"application_name", NULL};
static const char* const kValues[] = {"report_service", NULL};

static void complete(PGconn* connection) {
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
    struct pollfd descriptor = {PQsocket(connection), POLLIN, 0};
    if (status == PGRES_POLLING_WRITING) descriptor.events = POLLOUT;
    poll(&descriptor, 1, -1);
    status = PQconnectPoll(connection);
  }
  if (status == PGRES_POLLING_OK) return;
  fputs(PQerrorMessage(connection), stderr);
  exit(1);
}

static void open_report(void) {
  PGconn* connection = PQconnectStartParams(kKeywords, kValues, 0);  // LEAK
  complete(connection);
}

static void load_user(void) {
  PGconn* connection = PQconnectStartParams(kKeywords, kValues, 0);
  complete(connection);
  PGresult* result = PQexec(connection, "SELECT current_user");
  printf("user %s\n", PQgetvalue(result, 0, 0));
  PQclear(result);
  PQfinish(connection);
}

int main(int count, char** words) {
  if (count != 2) return 2;
  for (int left = atoi(words[1]); left > 0; --left) open_report();
  load_user();
  puts("ready");
  fflush(stdout);
  getchar();
  puts("done");
  return 0;
}
