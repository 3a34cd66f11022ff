// SPDX-License-Identifier: Apache-2.0
//
// Connects by every function that can, and prints what application_name the server has of each.

#include <libpq-fe.h>
#include <poll.h>

#include <cstdio>

namespace {

void Show(const char* how, PGconn* conn) {
  PGresult* result = PQexec(conn, "show application_name");
  if (PQresultStatus(result) == PGRES_TUPLES_OK) {
    printf("%s: '%s'\n", how, PQgetvalue(result, 0, 0));
  } else {
    printf("%s: %s", how, PQerrorMessage(conn));
  }
  PQclear(result);
}

PGconn* Poll(PGconn* conn) {
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
    pollfd fd = {PQsocket(conn), short(status == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    poll(&fd, 1, 10'000);
    status = PQconnectPoll(conn);
  }
  return conn;
}

}  // namespace

int main() {
  const char* const keywords[] = {"application_name", "dbname", nullptr};
  const char* const values[] = {"params", "", nullptr};
  const char* const expanded[] = {"none", "application_name='two words'", nullptr};
  PGconn* conns[] = {
      PQconnectdb("application_name=plain"),
      PQconnectdb("postgresql:///?application_name=uri"),
      PQconnectdbParams(keywords, values, 0),
      PQconnectdbParams(keywords, expanded, 1),
      PQsetdbLogin(nullptr, nullptr, nullptr, nullptr, "application_name=login", nullptr, nullptr),
      Poll(PQconnectStart("fallback_application_name=start")),
      Poll(PQconnectStartParams(keywords, values, 0)),
      PQconnectdb("application_name=an-application-whose-name-is-longer-than-any-tag-leaves-room"),
      PQconnectdb(""),
  };
  const char* const how[] = {"conninfo", "uri",    "params", "expanded", "login",
                             "start",    "startp", "long",   "none"};
  for (size_t i = 0; i < sizeof(conns) / sizeof(conns[0]); ++i) Show(how[i], conns[i]);
  PQreset(conns[0]);
  Show("reset", conns[0]);
  puts("ready");
  fflush(stdout);
  getchar();
  for (PGconn* conn : conns) PQfinish(conn);
}
