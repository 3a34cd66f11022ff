// SPDX-License-Identifier: Apache-2.0
//
// Somebody else's client of the same server: every 100 ms it connects, asks for 1, and leaves.

#include "tests/incidents/programs/service.h"

int main() {
  shop::Beat beat(shop::milliseconds(100));
  for (;; beat.Wait()) {
    PGconn* conn = PQconnectdb("application_name=bystander connect_timeout=5");
    if (PQstatus(conn) == CONNECTION_OK && shop::Execute(conn, "select 1")) {
      shop::Say("done");
    } else {
      shop::SayFailed(PQerrorMessage(conn));
    }
    PQfinish(conn);
  }
}
