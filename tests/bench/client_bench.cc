// SPDX-License-Identifier: Apache-2.0
//
// What connecting and querying cost on a real server, by the variables that libpq reads (PGHOST and
// so on).

#include <benchmark/benchmark.h>
#include <libpq-fe.h>

namespace {

void ConnectAndFinish(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    PGconn* conn = PQconnectdb("");
    if (PQstatus(conn) != CONNECTION_OK) state.SkipWithError(PQerrorMessage(conn));
    PQfinish(conn);
  }
}
BENCHMARK(ConnectAndFinish)->UseRealTime();

void SelectOne(benchmark::State& state) {
  PGconn* conn = PQconnectdb("");
  for ([[maybe_unused]] auto _ : state) {
    PGresult* result = PQexec(conn, "SELECT 1");
    if (PQresultStatus(result) != PGRES_TUPLES_OK) state.SkipWithError(PQerrorMessage(conn));
    PQclear(result);
  }
  PQfinish(conn);
}
BENCHMARK(SelectOne)->UseRealTime();

}  // namespace
