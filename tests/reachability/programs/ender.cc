// SPDX-License-Identifier: Apache-2.0
//
// A program that ends by returning from main, with connections in all sorts of places.
//
//   ender [none | only-finished]
//
// Each connection's application_name says what is done with it.

#include <libpq-fe.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace ender {

[[gnu::noinline]] PGconn* Connect(const char* name) {
  const std::string conninfo = std::string("application_name=") + name;
  PGconn* conn = PQconnectdb(conninfo.c_str());
  if (PQstatus(conn) != CONNECTION_OK) {
    fprintf(stderr, "%s", PQerrorMessage(conn));
    exit(1);
  }
  PQclear(PQexec(conn, "SELECT 1"));
  return conn;
}

[[gnu::noinline]] void ClearStack() {
  volatile char bytes[64 << 10];
  for (volatile char& byte : bytes) byte = 0;
}

PGconn* global;
std::vector<PGconn*> vector;
// Finishes what it has when the process ends.
struct Finisher {
  ~Finisher() { PQfinish(conn); }
  PGconn* conn = nullptr;
};
Finisher finisher;

// Made after all others, and so destroyed before them; it forgets its connection.
struct Pool {
  Pool() : conns{Connect("late_pool")} {}
  void Use() const { PQclear(PQexec(conns.front(), "SELECT 1")); }
  std::vector<PGconn*> conns;
};

[[gnu::noinline]] void Lose() { Connect("lost"); }
[[gnu::noinline]] void Keep() {
  global = Connect("global");
  vector.push_back(Connect("vector"));
  finisher.conn = Connect("finished");
}
[[gnu::noinline]] void KeepLate() {
  static const Pool pool;
  pool.Use();
}

}  // namespace ender

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "none") == 0) {
    PQfinish(ender::Connect("none"));
    return 7;
  }
  ender::Lose();
  ender::Keep();
  ender::KeepLate();
  ender::ClearStack();
  return 7;
}
