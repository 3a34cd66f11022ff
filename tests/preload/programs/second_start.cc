// SPDX-License-Identifier: Apache-2.0
//
// Two asynchronous connects, one after the other, for a cap of one: what becomes of the second
// while the first is open, after it was finished, and when it is reset.

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

const char* What(PGconn* conn) {
  return PQstatus(conn) == CONNECTION_BAD  ? "refused"
         : PQstatus(conn) == CONNECTION_OK ? "connected"
                                           : "under way";
}

}  // namespace

int main() {
  PGconn* first = PQconnectStart("");
  Drive(first, PQconnectPoll);
  Say("first: %s", What(first));
  PGconn* second = PQconnectStart("");
  if (PQstatus(second) != CONNECTION_BAD && PQconnectPoll(second) == PGRES_POLLING_READING &&
      PQsocket(second) >= 0) {
    Say("second: waits");
  } else {
    Drive(second, PQconnectPoll);
    Say("second: %s", What(second));
  }
  PQfinish(first);
  if (PQstatus(second) != CONNECTION_BAD) Drive(second, PQconnectPoll);
  Say("then: %s", What(second));
  PQfinish(second);
}
