// SPDX-License-Identifier: Apache-2.0
//
// LISTEN and NOTIFY between two sessions, and to oneself.

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>

static void exec(PGconn* conn, const char* text) {
  PGresult* result = PQexec(conn, text);
  printf("%s: %s\n", text, PQresStatus(PQresultStatus(result)));
  PQclear(result);
}

// Waits for `count` notifications as the documentation of libpq does.
static void receive(PGconn* conn, PGconn* sender, int count) {
  while (count > 0) {
    PGnotify* notify = PQnotifies(conn);
    if (notify != NULL) {
      printf("%s '%s' from %s\n", notify->relname, notify->extra,
             notify->be_pid == PQbackendPID(sender) ? "the other"
             : notify->be_pid == PQbackendPID(conn) ? "myself"
                                                    : "somebody");
      PQfreemem(notify);
      --count;
      continue;
    }
    struct pollfd descriptor = {PQsocket(conn), POLLIN, 0};
    if (poll(&descriptor, 1, 10000) != 1) {
      puts("nothing came");
      return;
    }
    PQconsumeInput(conn);
  }
}

int main(void) {
  PGconn* listener = PQconnectdb("application_name=listener");
  PGconn* sender = PQconnectdb("application_name=sender");
  exec(listener, "LISTEN orders");
  exec(listener, "LISTEN \"other Things\"");
  exec(sender, "NOTIFY orders, 'one'");
  receive(listener, sender, 1);
  exec(sender, "BEGIN");
  exec(sender, "NOTIFY orders, 'two'");
  exec(sender, "NOTIFY orders, 'two'");
  exec(sender, "NOTIFY \"other Things\"");
  exec(sender, "COMMIT");
  receive(listener, sender, 2);
  exec(listener, "SELECT pg_notify('orders', 'to myself')");
  receive(listener, sender, 1);
  exec(sender, "SELECT pg_notify('orders', repeat('x', 7000)) FROM generate_series(1, 3)");
  receive(listener, sender, 1);
  exec(sender, "SELECT pg_notify('orders', i::text) FROM generate_series(1, 500) AS i");
  receive(listener, sender, 500);
  exec(listener, "UNLISTEN *");
  exec(sender, "NOTIFY orders, 'unheard'");
  exec(listener, "SELECT 1");
  printf("left: %s\n", PQnotifies(listener) == NULL ? "none" : "some");
  PQfinish(sender);
  PQfinish(listener);
  return 0;
}
