// SPDX-License-Identifier: Apache-2.0
//
// One of five hundred loaded modules that connect. Built without a build id: copies of the file are
// told apart by their names.

#include <libpq-fe.h>

__attribute__((visibility("default"))) PGconn* open_through_module(const char* conninfo) {
  PGconn* conn = PQconnectdb(conninfo);
  __asm__ volatile("" ::: "memory");  // no tail call
  return conn;
}
