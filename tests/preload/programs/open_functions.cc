// SPDX-License-Identifier: Apache-2.0
//
// Every function that opens a connection, to success and to failure.

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

void Show(const char* name, PGconn* conn) {
  SayErrno(name);
  Say("%s: %s", name, PQstatus(conn) == CONNECTION_OK ? "connected" : "not connected");
  Finish(conn);
}

void ShowStarted(const char* name, PGconn* conn) {
  SayErrno(name);
  Say("%s: polled to %d", name, static_cast<int>(Drive(conn, PQconnectPoll)));
  Show(name, conn);
}

}  // namespace

int main() {
  const char* const keywords[] = {"application_name", nullptr};
  const char* const values[] = {"open_functions", nullptr};
  const char* const bad_keywords[] = {"standin_outcome", nullptr};
  const char* const bad_values[] = {"fail", nullptr};
  errno = kErrnoMark;
  Show("PQconnectdb", PQconnectdb(""));
  Show("PQconnectdbParams", PQconnectdbParams(keywords, values, 0));
  Show("PQsetdbLogin", PQsetdbLogin(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr));
  ShowStarted("PQconnectStart", PQconnectStart(""));
  ShowStarted("PQconnectStartParams", PQconnectStartParams(keywords, values, 0));
  Show("PQconnectdb", PQconnectdb(kFailing));
  Show("PQconnectdbParams", PQconnectdbParams(bad_keywords, bad_values, 0));
  Show("PQsetdbLogin",
       PQsetdbLogin(nullptr, nullptr, nullptr, nullptr, kFailing, nullptr, nullptr));
  ShowStarted("PQconnectStart", PQconnectStart(kFailing));
  ShowStarted("PQconnectStartParams", PQconnectStartParams(bad_keywords, bad_values, 0));
  Say("PQping: %d", static_cast<int>(PQping("")));
  Say("PQpingParams: %d", static_cast<int>(PQpingParams(keywords, values, 0)));
  SayDescriptors();
}
