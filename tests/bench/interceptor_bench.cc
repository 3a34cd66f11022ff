// SPDX-License-Identifier: Apache-2.0
//
// The intercepted calls against a libpq that does next to nothing. The difference between a run
// with the library preloaded and one without is what the interception costs.

#include <benchmark/benchmark.h>
#include <libpq-fe.h>

#include <cstdlib>

namespace {

// Calls `function` from `depth` frames further down.
template <typename Function>
__attribute__((noinline)) void AtDepth(int depth, const Function& function) {
  if (depth == 0) {
    function();
  } else {
    AtDepth(depth - 1, function);
  }
  benchmark::ClobberMemory();  // behind the call: no tail call
}

void ConnectAndFinish(benchmark::State& state) {
  const auto depth = static_cast<int>(state.range(0));
  AtDepth(depth, [&state] {
    for ([[maybe_unused]] auto _ : state) {
      PGconn* conn = PQconnectdb("");
      benchmark::DoNotOptimize(conn);
      PQfinish(conn);
    }
  });
}
BENCHMARK(ConnectAndFinish)->Arg(20);

void Exec(benchmark::State& state) {
  PGconn* conn = PQconnectdb("");
  if (PQstatus(conn) != CONNECTION_OK) abort();
  for ([[maybe_unused]] auto _ : state) {
    PGresult* result = PQexec(conn, "SELECT 1");
    benchmark::DoNotOptimize(result);
    PQclear(result);
  }
  PQfinish(conn);
}
BENCHMARK(Exec);

// Drivers ask before and after each query.
void Status(benchmark::State& state) {
  PGconn* conn = PQconnectdb("");
  for ([[maybe_unused]] auto _ : state) {
    ConnStatusType status = PQstatus(conn);
    benchmark::DoNotOptimize(status);
  }
  PQfinish(conn);
}
BENCHMARK(Status);

}  // namespace
