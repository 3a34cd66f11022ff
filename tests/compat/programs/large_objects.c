// SPDX-License-Identifier: Apache-2.0
//
// libpq's large objects: large_objects FILE COPY

#include <libpq-fe.h>
#include <libpq/libpq-fs.h>
#include <stdio.h>
#include <string.h>

static PGconn* conn;

static void exec(const char* text) {
  PGresult* result = PQexec(conn, text);
  printf("%s: %s %s\n", text, PQresStatus(PQresultStatus(result)), PQresultErrorMessage(result));
  PQclear(result);
}

int main(int count, char** words) {
  if (count != 3) return 2;
  conn = PQconnectdb("");
  static char buffer[1 << 16];
  exec("BEGIN");
  const Oid oid = lo_create(conn, 424242);
  printf("create %u\n", oid);
  int fd = lo_open(conn, oid, INV_READ | INV_WRITE);
  printf("open %d\n", fd);
  size_t written = 0;
  for (int i = 0; i < 64; ++i) {
    memset(buffer, 'a' + i % 26, sizeof(buffer));
    written += (size_t)lo_write(conn, fd, buffer, sizeof(buffer));
  }
  printf("written %zu\n", written);
  printf("tell %d %lld\n", lo_tell(conn, fd), (long long)lo_tell64(conn, fd));
  printf("seek %d\n", lo_lseek(conn, fd, 65530, SEEK_SET));
  printf("read %d %.12s\n", lo_read(conn, fd, buffer, 12), buffer);
  printf("seek64 %lld\n", (long long)lo_lseek64(conn, fd, 5000000000, SEEK_SET));
  printf("write %d\n", lo_write(conn, fd, "far", 3));
  printf("seek64 %lld\n", (long long)lo_lseek64(conn, fd, -3, SEEK_END));
  printf("read %d %.3s\n", lo_read(conn, fd, buffer, 100), buffer);
  printf("truncate %d\n", lo_truncate64(conn, fd, 4999999999));
  printf("truncate %d\n", lo_truncate(conn, fd, 1000000));
  printf("close %d\n", lo_close(conn, fd));
  printf("export %d\n", lo_export(conn, oid, words[2]));
  exec("COMMIT");
  exec("BEGIN");
  printf("import %d\n", lo_import(conn, words[1]) != InvalidOid);
  printf("import as %u\n", lo_import_with_oid(conn, words[1], 424243));
  fd = lo_open(conn, 424243, INV_READ);
  printf("read %d\n", lo_read(conn, fd, buffer, sizeof(buffer)));
  printf("may not write %d %s", lo_write(conn, fd, "x", 1), PQerrorMessage(conn));
  exec("ROLLBACK");
  exec("BEGIN");
  printf("not there %d %s", lo_open(conn, 1, INV_READ), PQerrorMessage(conn));
  exec("ROLLBACK");
  printf("unlink %d\n", lo_unlink(conn, oid));
  printf("again %d %s", lo_unlink(conn, oid), PQerrorMessage(conn));
  exec("SELECT loid FROM pg_largeobject");
  PQfinish(conn);
  return 0;
}
