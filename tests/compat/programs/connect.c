// SPDX-License-Identifier: Apache-2.0
//
// Connects by each conninfo given, in one call, by polling and by PQreset, and prints where it came
// to: connect CONNINFO... The word '-' waits for the end of the input.

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static const char* shown(const char* text) { return text != NULL ? text : "(null)"; }

static void print(const char* how, PGconn* conn) {
  printf("  %s: status %d, host %s, address %s, port %s, database %s, user %s, ssl %d, %s\n", how,
         PQstatus(conn), shown(PQhost(conn)), shown(PQhostaddr(conn)), shown(PQport(conn)),
         shown(PQdb(conn)), shown(PQuser(conn)), PQsslInUse(conn), PQerrorMessage(conn));
  if (PQstatus(conn) != CONNECTION_OK) return;
  PGresult* result = PQexec(conn,
                            "SELECT pg_is_in_recovery(), current_setting('port'), "
                            "(SELECT ssl::text || coalesce(client_dn, '') FROM pg_stat_ssl WHERE "
                            "pid = pg_backend_pid())");
  printf("  in recovery %s, port %s, ssl %s %s\n", PQgetvalue(result, 0, 0),
         PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2),
         shown(PQsslAttribute(conn, "protocol")));
  PQclear(result);
}

static void poll_until_done(PGconn* conn, PostgresPollingStatusType (*step)(PGconn*)) {
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
    struct pollfd descriptor = {PQsocket(conn), status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                                0};
    poll(&descriptor, 1, 10000);
    status = step(conn);
  }
}

int main(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    if (strcmp(words[i], "-") == 0) {
      puts("waiting");
      fflush(stdout);
      while (getchar() != EOF) {
      }
      continue;
    }
    printf("%s\n", words[i]);
    printf("  ping %d\n", PQping(words[i]));
    PGconn* conn = PQconnectdb(words[i]);
    print("PQconnectdb", conn);
    PQreset(conn);
    print("PQreset", conn);
    if (PQresetStart(conn)) poll_until_done(conn, PQresetPoll);
    print("PQresetPoll", conn);
    PQfinish(conn);
    conn = PQconnectStart(words[i]);
    if (PQstatus(conn) != CONNECTION_BAD) poll_until_done(conn, PQconnectPoll);
    print("PQconnectPoll", conn);
    PQfinish(conn);
  }
  return 0;
}
