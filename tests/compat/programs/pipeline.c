// SPDX-License-Identifier: Apache-2.0
//
// Pipeline mode and single-row mode, as src/test/modules/libpq_pipeline of PostgreSQL goes through
// them; prints every result.

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void title(const char* text) { printf("-- %s\n", text); }

static void print_result(PGresult* result) {
  if (result == NULL) {
    puts("NULL");
    return;
  }
  const ExecStatusType status = PQresultStatus(result);
  printf("%s", PQresStatus(status));
  if (status == PGRES_COMMAND_OK) printf(" %s %s", PQcmdStatus(result), PQcmdTuples(result));
  if (status == PGRES_FATAL_ERROR) {
    printf(" %s %s", PQresultErrorField(result, PG_DIAG_SQLSTATE),
           PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  }
  for (int row = 0; row < PQntuples(result); ++row) {
    for (int column = 0; column < PQnfields(result); ++column) {
      printf(" %s=%s", PQfname(result, column), PQgetvalue(result, row, column));
    }
  }
  printf(" [%d %d]\n", PQnfields(result), PQnparams(result));
  PQclear(result);
}

// Results up to the `syncs`th PGRES_PIPELINE_SYNC.
static void print_until_sync(PGconn* conn, int syncs) {
  for (int nulls = 0; syncs > 0 && nulls < 2;) {
    PGresult* result = PQgetResult(conn);
    nulls = result == NULL ? nulls + 1 : 0;
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC && result != NULL) --syncs;
    print_result(result);
  }
}

static void send(PGconn* conn, const char* text, const char* value) {
  if (PQsendQueryParams(conn, text, value != NULL ? 1 : 0, NULL, &value, NULL, NULL, 0) != 1) {
    printf("not sent: %s", PQerrorMessage(conn));
  }
}

static void enter(PGconn* conn) {
  printf("enter %d %d\n", PQenterPipelineMode(conn), PQpipelineStatus(conn));
}
static void leave(PGconn* conn) {
  const int left = PQexitPipelineMode(conn);
  printf("leave %d %d %s\n", left, PQpipelineStatus(conn), left ? "" : PQerrorMessage(conn));
}

static void simple(PGconn* conn) {
  title("simple");
  enter(conn);
  send(conn, "SELECT $1::int AS one", "1");
  print_result(PQexec(conn, "SELECT 2"));  // not allowed here
  leave(conn);                             // neither is that
  printf("sync %d\n", PQpipelineSync(conn));
  print_until_sync(conn, 1);
  leave(conn);
}

static void several(PGconn* conn) {
  title("several");
  enter(conn);
  for (int i = 0; i < 3; ++i) {
    send(conn, "SELECT $1::text || '!' AS text", "abc");
    send(conn, "SELECT generate_series(1, 3) AS i", NULL);
    PQpipelineSync(conn);
  }
  print_until_sync(conn, 3);
  leave(conn);
}

static void aborted(PGconn* conn) {
  title("aborted");
  print_result(PQexec(conn, "CREATE TEMP TABLE t (id int PRIMARY KEY, text text)"));
  enter(conn);
  send(conn, "INSERT INTO t VALUES (1, $1)", "kept");
  PQpipelineSync(conn);
  send(conn, "INSERT INTO t VALUES (2, $1)", "rolled back");
  send(conn, "INSERT INTO t VALUES (1, $1)", "a second one");
  send(conn, "SELECT * FROM t", NULL);
  printf("status %d\n", PQpipelineStatus(conn));
  PQpipelineSync(conn);
  send(conn, "SELECT * FROM t ORDER BY id", NULL);
  PQpipelineSync(conn);
  print_until_sync(conn, 3);
  printf("transaction %d\n", PQtransactionStatus(conn));
  leave(conn);
}

static void flush_request(PGconn* conn) {
  title("flush request");
  enter(conn);
  send(conn, "SELECT 'before the sync' AS text", NULL);
  printf("request %d\n", PQsendFlushRequest(conn));
  while (PQflush(conn) > 0) {
  }
  print_result(PQgetResult(conn));
  print_result(PQgetResult(conn));
  PQpipelineSync(conn);
  print_until_sync(conn, 1);
  leave(conn);
}

static void prepared(PGconn* conn) {
  title("prepared");
  enter(conn);
  const Oid types[] = {23, 25};
  const char* values[] = {"7", "seven"};
  PQsendPrepare(conn, "two_values", "SELECT $1 AS number, $2 AS name", 2, types);
  PQsendDescribePrepared(conn, "two_values");
  PQsendQueryPrepared(conn, "two_values", 2, values, NULL, NULL, 0);
  send(conn, "BEGIN", NULL);
  send(conn, "DECLARE c CURSOR FOR SELECT 1 AS a, 2 AS b", NULL);
  PQsendDescribePortal(conn, "c");
  send(conn, "DEALLOCATE two_values", NULL);
  send(conn, "COMMIT", NULL);
  PQpipelineSync(conn);
  print_until_sync(conn, 1);
  leave(conn);
}

static void single_rows(PGconn* conn) {
  title("single rows");
  enter(conn);
  for (int i = 0; i < 2; ++i)
    send(conn, "SELECT generate_series(40, 42) AS i, 1 / (42 - generate_series(40, $1::int)) AS j",
         i ? "42" : "41");
  PQpipelineSync(conn);
  for (int i = 0; i < 2; ++i) {
    printf("single %d\n", PQsetSingleRowMode(conn));
    PGresult* result;
    while ((result = PQgetResult(conn)) != NULL) print_result(result);
  }
  print_until_sync(conn, 1);
  leave(conn);

  PQsendQuery(conn, "SELECT repeat('x', i) AS x FROM generate_series(0, 3) AS i; SELECT 1 / 0");
  printf("single %d\n", PQsetSingleRowMode(conn));
  PGresult* result;
  while ((result = PQgetResult(conn)) != NULL) print_result(result);
}

// More than fits into the socket's buffers in either direction, without ever blocking.
static void big(PGconn* conn) {
  title("big");
  static char value[8001];
  memset(value, 'v', sizeof(value) - 1);
  printf("nonblocking %d %d\n", PQsetnonblocking(conn, 1), PQisnonblocking(conn));
  enter(conn);
  const int queries = 2000;
  int sent = 0, received = 0, synced = 0;
  size_t bytes = 0;
  while (!synced) {
    struct pollfd descriptor = {PQsocket(conn), POLLIN, 0};
    if (PQflush(conn) > 0 || sent < queries) descriptor.events |= POLLOUT;
    poll(&descriptor, 1, -1);
    if (descriptor.revents & POLLIN) PQconsumeInput(conn);
    // A NULL is the end of a query's results, two are the end of what has come.
    for (int nulls = 0; nulls < 2 && !synced && !PQisBusy(conn);) {
      PGresult* result = PQgetResult(conn);
      nulls = result == NULL ? nulls + 1 : 0;
      if (result == NULL) continue;
      if (PQntuples(result) == 1) {
        ++received;
        bytes += strlen(PQgetvalue(result, 0, 0));
      }
      synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
      PQclear(result);
    }
    for (int i = 0; i < 20 && sent < queries && (descriptor.revents & POLLOUT); ++i) {
      send(conn, "SELECT $1 || 'w'", value);
      if (++sent == queries) PQpipelineSync(conn);
    }
    PQflush(conn);
  }
  printf("sent %d received %d bytes %zu\n", sent, received, bytes);
  leave(conn);
  printf("blocking %d\n", PQsetnonblocking(conn, 0));
}

static void notice(void* argument, const char* message) {
  (void)argument;
  printf("notice %s", message);
}

// What is refused, and a connection that ends in the middle.
static void disallowed(PGconn* conn) {
  title("disallowed");
  enter(conn);
  printf("send query %d %s", PQsendQuery(conn, "SELECT 1; SELECT 2"), PQerrorMessage(conn));
  puts("");
  send(conn, "COPY t FROM STDIN", NULL);
  PQpipelineSync(conn);
  for (int i = 0; i < 3; ++i) print_result(PQgetResult(conn));
  printf("status %d\n", PQstatus(conn));
}

int main(void) {
  PGconn* conn = PQconnectdb("");
  if (PQstatus(conn) != CONNECTION_OK) {
    fputs(PQerrorMessage(conn), stderr);
    return 1;
  }
  PQsetNoticeProcessor(conn, notice, NULL);
  simple(conn);
  several(conn);
  aborted(conn);
  flush_request(conn);
  prepared(conn);
  single_rows(conn);
  big(conn);
  disallowed(conn);
  PQfinish(conn);
  return 0;
}
