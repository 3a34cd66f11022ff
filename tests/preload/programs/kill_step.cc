// SPDX-License-Identifier: Apache-2.0
//
// Kills itself with SIGKILL before the step whose number is the argument; says what was done until
// then.

#include <csignal>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

int remaining = 0;

void Step(const char* name) {
  if (remaining-- == 0) raise(SIGKILL);
  Say("%s", name);
}

}  // namespace

int main(int argc, char** argv) {
  remaining = argc > 1 ? atoi(argv[1]) : -1;  // NOLINT(cert-err34-c): from our own table
  Step("connect");
  PGconn* first = PQconnectdb("");
  Step("query");
  Query(first, "SELECT 1");
  Step("begin");
  Query(first, "BEGIN");
  Step("start");
  PGconn* second = PQconnectStart("");
  Step("poll once");
  PQconnectPoll(second);
  Step("poll");
  Drive(second, PQconnectPoll);
  Step("fail");
  PGconn* failed = PQconnectdb(kFailing);
  Step("finish failed");
  PQfinish(failed);
  Step("reset");
  PQreset(second);
  Step("finish first");
  PQfinish(first);
  Step("finish second");
  PQfinish(second);
  Step("end");
  return 0;
}
