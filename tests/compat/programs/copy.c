// SPDX-License-Identifier: Apache-2.0
//
// COPY in and out: copy MEBIBYTES [nonblocking]

#include <libpq-fe.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW = 1024 };

static PGconn* conn;

static void print_result(PGresult* result) {
  printf("%s %s%s\n", PQresStatus(PQresultStatus(result)), PQcmdStatus(result),
         PQresultErrorMessage(result));
  PQclear(result);
}

static void put(const char* row, int size) {
  int done;
  while ((done = PQputCopyData(conn, row, size)) == 0) {
    struct pollfd descriptor = {PQsocket(conn), POLLIN | POLLOUT, 0};
    poll(&descriptor, 1, -1);
    PQconsumeInput(conn);
    PQflush(conn);
  }
  if (done != 1) printf("put: %s", PQerrorMessage(conn));
}

// All rows are sent and read; one in a thousand is kept.
static void in(long rows) {
  print_result(PQexec(conn, "COPY t FROM STDIN WHERE id % 1000 = 0"));
  static char row[ROW + 1];
  for (long id = 1; id <= rows; ++id) {
    const int length = snprintf(row, sizeof(row), "%ld\t", id);
    memset(row + length, 'a' + (int)(id % 26), (size_t)(ROW - length - 1));
    row[ROW - 1] = '\n';
    put(row, ROW);
  }
  int ended;
  while ((ended = PQputCopyEnd(conn, NULL)) == 0) PQflush(conn);
  while (PQflush(conn) > 0) {
    struct pollfd descriptor = {PQsocket(conn), POLLIN | POLLOUT, 0};
    poll(&descriptor, 1, -1);
    PQconsumeInput(conn);
  }
  PGresult* result;
  while ((result = PQgetResult(conn)) != NULL) print_result(result);
}

static void out(const char* text) {
  print_result(PQexec(conn, text));
  uint64_t bytes = 0, lines = 0, sum = 1469598103934665603u;
  char* line;
  int size;
  while ((size = PQgetCopyData(conn, &line, 0)) > 0) {
    bytes += (uint64_t)size;
    ++lines;
    for (int i = 0; i < size; i += 61) sum = (sum ^ (unsigned char)line[i]) * 1099511628211u;
    PQfreemem(line);
  }
  printf("size %d, %llu bytes in %llu lines, sum %llx\n", size, (unsigned long long)bytes,
         (unsigned long long)lines, (unsigned long long)sum);
  PGresult* result;
  while ((result = PQgetResult(conn)) != NULL) print_result(result);
}

// What is wrong on the way: the client gives up, and the server does.
static void failures(void) {
  print_result(PQexec(conn, "COPY t FROM STDIN"));
  put("7\tseven\n", 8);
  PQputCopyEnd(conn, "the client has had enough");
  print_result(PQgetResult(conn));
  print_result(PQexec(conn, "COPY t FROM STDIN"));
  put("seven\tseven\n", 12);
  PQputCopyEnd(conn, NULL);
  print_result(PQgetResult(conn));
  print_result(PQexec(conn, "SELECT count(*) FROM t"));
  out("COPY (SELECT 1 / (50 - i) FROM generate_series(1, 99) AS i) TO STDOUT");
}

int main(int count, char** words) {
  if (count < 2) return 2;
  const long rows = atol(words[1]) * (1 << 20) / ROW;
  conn = PQconnectdb("");
  print_result(PQexec(conn, "CREATE UNLOGGED TABLE t (id bigint, text text)"));
  if (count == 3) printf("nonblocking %d\n", PQsetnonblocking(conn, 1));
  in(rows);
  PQsetnonblocking(conn, 0);
  char text[200];
  snprintf(text, sizeof(text),
           "COPY (SELECT i, repeat(chr(97 + i %% 26), 1010) FROM generate_series(1, %ld) AS i) TO "
           "STDOUT",
           rows);
  out(text);
  out("COPY (SELECT * FROM t ORDER BY id) TO STDOUT (FORMAT binary)");
  failures();
  PQfinish(conn);
  return 0;
}
