// SPDX-License-Identifier: Apache-2.0
//
// Connects that are driven by polling.
//   abandon      finished after one poll
//   at-once      finished without any poll
//   leave        left half-way
//   fail         polled to failure and finished
//   reset        PQreset, then PQresetStart and PQresetPoll
//   reset-poll   PQresetStart driven by PQconnectPoll, as some drivers do

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

void Reset(PGconn* conn) {
  errno = kErrnoMark;
  PQreset(conn);
  SayErrno("PQreset");
  Query(conn, "SELECT 1");
  errno = kErrnoMark;
  const int started = PQresetStart(conn);
  SayErrno("PQresetStart");
  Say("reset started: %d, polled to %d", started, static_cast<int>(Drive(conn, PQresetPoll)));
  Query(conn, "SELECT 1");
}

}  // namespace

int main(int argc, char** argv) {
  errno = kErrnoMark;
  PGconn* conn = PQconnectStart(Mode(argc, argv, "fail") ? kFailing : "");
  SayErrno("PQconnectStart");
  if (Mode(argc, argv, "leave")) {
    PQconnectPoll(conn);
    return 0;
  }
  if (Mode(argc, argv, "abandon")) {
    const PostgresPollingStatusType polled = PQconnectPoll(conn);
    SayErrno("PQconnectPoll");
    Say("one poll: %d", polled == PGRES_POLLING_READING || polled == PGRES_POLLING_WRITING);
  } else if (!Mode(argc, argv, "at-once")) {
    Say("polled to %d", static_cast<int>(Drive(conn, PQconnectPoll)));
  }
  if (Mode(argc, argv, "reset")) Reset(conn);
  if (Mode(argc, argv, "reset-poll")) {
    Say("reset started: %d, polled to %d", PQresetStart(conn),
        static_cast<int>(Drive(conn, PQconnectPoll)));
    Query(conn, "SELECT 1");
  }
  Finish(conn);
  SayDescriptors();
}
