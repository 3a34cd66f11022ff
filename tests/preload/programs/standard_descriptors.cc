// SPDX-License-Identifier: Apache-2.0
//
// Closes stdin, stdout and stderr, then connects. What is opened next gets the number 0, or 1
// beside a real socket.

#include <fcntl.h>

#include "tests/preload/programs/program.h"

using namespace program;

int main() {
  const int out = fcntl(STDOUT_FILENO, F_DUPFD, 100);
  close(STDIN_FILENO);
  close(STDOUT_FILENO);
  close(STDERR_FILENO);
  PGconn* conn = PQconnectdb("");
  const int status = PQstatus(conn);
  PGresult* result = PQexec(conn, "SELECT 1");
  const int answer = PQresultStatus(result);
  PQclear(result);
  PQfinish(PQconnectdb(kFailing));
  const int next = open("/dev/null", O_RDWR);
  const int descriptors = OpenDescriptors();
  PQfinish(conn);
  dup2(out, STDOUT_FILENO);
  Say("status %d, answer %d, next number %d, open descriptors %d", status, answer, next,
      descriptors);
}
