// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/temporary_directory.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const pqleash::testing::TemporaryDirectory directory;
  setenv("PQLEASH_DIR", (directory / "ledgers").c_str(), 1);
  // A cap that connects are only held back by where a test says so.
  setenv("PQLEASH_LIMIT", "1", 1);
  setenv("PQLEASH_ON_LIMIT", "wait", 1);
  for (const char* name : {"PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE",
                           "PGAPPNAME", "PGCONNECT_TIMEOUT", "PGSSLMODE"}) {
    unsetenv(name);
  }
  return RUN_ALL_TESTS();
}
