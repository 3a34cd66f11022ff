// SPDX-License-Identifier: Apache-2.0
//
// The work of scripts/bench --against-peers: peers_bench CONNECTS QUERIES
// Opens and finishes connections at a stack depth of 20, then runs queries, and prints the medians
// of single calls in nanoseconds. Which libpq it is, and which server, says the environment.

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static double median(double* times, int count) {
  qsort(times, (size_t)count, sizeof(*times), ascending);
  return count > 0 ? times[count / 2] : 0;
}

__attribute__((noinline)) static int work(int depth, int connects, int queries) {
  if (depth > 0) {
    const int code = work(depth - 1, connects, queries);
    __asm__ volatile("" ::: "memory");  // no tail call
    return code;
  }
  double* times = calloc((size_t)(connects > queries ? connects : queries), sizeof(*times));
  if (times == NULL) return 1;
  for (int i = 0; i < connects; ++i) {
    const double begin = now();
    PGconn* conn = PQconnectdb("");
    const ConnStatusType status = PQstatus(conn);
    PQfinish(conn);
    times[i] = now() - begin;
    if (status != CONNECTION_OK) return 1;
  }
  printf("{\"connect\": %.1f, ", median(times, connects));
  PGconn* conn = PQconnectdb("");
  for (int i = 0; i < queries; ++i) {
    const double begin = now();
    PQclear(PQexec(conn, "SELECT 1"));
    times[i] = now() - begin;
  }
  PQfinish(conn);
  printf("\"query\": %.1f}\n", median(times, queries));
  free(times);
  return 0;
}

int main(int count, char** words) {
  if (count != 3) return 2;
  if (PQlibVersion() < 90000) return 1;  // a call that nothing measures, for whoever waits for it
  return work(20, atoi(words[1]), atoi(words[2]));
}
