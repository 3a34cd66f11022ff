/* SPDX-License-Identifier: Apache-2.0
 *
 * Comes and goes while others connect: places in it are recorded, and forgotten with it. */

#include <libpq-fe.h>

PGconn* pqleash_test_open(void);

PGconn* pqleash_test_open(void) {
  PGconn* connection = PQconnectdb("dbname=plugin");
  __asm__ volatile("");  // no jump: then there would be no frame
  return connection;
}
