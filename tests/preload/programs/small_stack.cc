// SPDX-License-Identifier: Apache-2.0
//
// Connects in a thread whose stack has the number of KiB given as the first argument; with 'first'
// as the second one, nothing has connected before.

#include <pthread.h>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

void* Work(void*) {
  PGconn* conn = PQconnectdb("");
  PGresult* result = PQexec(conn, "SELECT 1");
  Say("status %d, result %d", static_cast<int>(PQstatus(conn)),
      static_cast<int>(PQresultStatus(result)));
  PQclear(result);
  PQfinish(conn);
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t size =
      1024 * static_cast<size_t>(argc > 1 ? atoi(argv[1]) : 0);  // NOLINT(cert-err34-c)
  if (argc <= 2 || strcmp(argv[2], "first") != 0) Finish(Connect());
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  Say("stack: %d", pthread_attr_setstacksize(&attributes, size));
  pthread_t thread;
  if (pthread_create(&thread, &attributes, Work, nullptr) != 0) return 1;
  pthread_join(thread, nullptr);
  SayDescriptors();
}
