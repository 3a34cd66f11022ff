// SPDX-License-Identifier: Apache-2.0
//
// libpq returns NULL where it has no memory for a PGconn.

#include "tests/preload/programs/program.h"

using namespace program;

int main() {
  for (int i = 0; i < 3; ++i) {
    PGconn* conn = PQconnectdb("standin_outcome=null");
    Say("%s", conn == nullptr ? "no connection" : "a connection");
    PQfinish(conn);
    conn = PQconnectStart("standin_outcome=null");
    Say("%s", conn == nullptr ? "no connection" : "a connection");
    PQfinish(conn);
  }
  Finish(Connect());
  SayDescriptors();
}
