// SPDX-License-Identifier: Apache-2.0
//
// A notice processor opens and finishes a connection of its own: a call of the host's inside a call
// of libpq's.

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

void ConnectInside(void*, const char* message) {
  Say("notice: %s", strstr(message, "hello") != nullptr ? "hello" : "?");
  PGconn* conn = Connect();
  Query(conn, "SELECT 1");
  Finish(conn);
}

}  // namespace

int main() {
  PGconn* conn = Connect();
  PQsetNoticeProcessor(conn, ConnectInside, nullptr);
  Query(conn, "DO $$ BEGIN RAISE NOTICE 'hello'; END $$");
  Query(conn, "DO $$ BEGIN RAISE NOTICE 'hello'; END $$");
  Finish(conn);
  SayDescriptors();
}
