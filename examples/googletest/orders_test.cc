// SPDX-License-Identifier: Apache-2.0
//
// Two tests of a program that talks to PostgreSQL (PGHOST and its kin say where): one closes what
// it opens, one does not.

#include <libpq-fe.h>

#include "leak_listener.h"

// Not inlined, and visible, so that the stack has its name.
__attribute__((noinline, visibility("default"))) PGconn* ConnectForAudit() {
  PGconn* connection = PQconnectdb("");
  EXPECT_EQ(PQstatus(connection), CONNECTION_OK) << PQerrorMessage(connection);
  return connection;
}

TEST(Orders, AreListed) {
  PGconn* connection = PQconnectdb("");
  EXPECT_EQ(PQstatus(connection), CONNECTION_OK) << PQerrorMessage(connection);
  PQfinish(connection);
}

TEST(Orders, AreAudited) {
  PGconn* connection = ConnectForAudit();
  if (PQprotocolVersion(connection) == 3) return;  // an early return, and nobody finishes it
  PQfinish(connection);
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(new LeakListener);
  return RUN_ALL_TESTS();
}
