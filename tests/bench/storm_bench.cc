// SPDX-License-Identifier: Apache-2.0
//
// Clients of scripts/bench-caps.
//
//   storm_bench noise THREADS SECONDS CONNINFO QUERY RETRY_MS
//     THREADS threads connect, query and close in a loop. A connect that fails is tried again after
//     RETRY_MS, and the time to a connection is that of all its attempts, up to the answer to the
//     query: a pooler may take the connect before it has a connection to give. What comes in the
//     first tenth of the time is not counted.
//   storm_bench bystander SECONDS CONNINFO PERIOD_MS
//     Connects, queries and closes every PERIOD_MS; a failure counts and is not tried again.
//   storm_bench children SECONDS PID
//     Looks every 2 ms how many children process PID has.
//
// Each prints one line of JSON. Times are milliseconds.

#include <libpq-fe.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

double Since(Clock::time_point begin) { return Milliseconds(Clock::now() - begin).count(); }

void SleepMilliseconds(double ms) { std::this_thread::sleep_for(Milliseconds(ms)); }

double Quantile(std::vector<double>& sorted, double q) {
  if (sorted.empty()) return -1;
  return sorted[std::min(sorted.size() - 1,
                         static_cast<size_t>(static_cast<double>(sorted.size()) * q))];
}

// nullptr: it failed.
PGconn* Connect(const char* conninfo, const char* query) {
  PGconn* conn = PQconnectdb(conninfo);
  if (PQstatus(conn) == CONNECTION_OK) {
    PGresult* result = PQexec(conn, query);
    const bool answered = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    if (answered) return conn;
  }
  PQfinish(conn);
  return nullptr;
}

struct Tally {
  std::vector<double> times;
  uint64_t failures = 0;
};

struct Storm {
  double seconds;
  const char* conninfo;
  const char* query;
  double retry_ms;
};

void Noise(const Storm& storm, Clock::time_point begin, Tally* tally) {
  while (Since(begin) < storm.seconds * 1e3) {
    const Clock::time_point asked = Clock::now();
    PGconn* conn = Connect(storm.conninfo, "SELECT 1");
    uint64_t failures = 0;
    while (conn == nullptr && Since(begin) < storm.seconds * 1e3) {
      ++failures;
      SleepMilliseconds(storm.retry_ms);
      conn = Connect(storm.conninfo, "SELECT 1");
    }
    const double took = Since(asked);
    const bool counts = Milliseconds(asked - begin).count() > storm.seconds * 1e2;
    if (counts) tally->failures += failures;
    if (conn == nullptr) return;
    if (counts) tally->times.push_back(took);
    PQclear(PQexec(conn, storm.query));
    PQfinish(conn);
  }
}

int RunNoise(int threads, const Storm& storm) {
  std::vector<Tally> tallies(static_cast<size_t>(threads));
  const Clock::time_point begin = Clock::now();
  std::vector<std::thread> running;
  for (Tally& tally : tallies) running.emplace_back([&] { Noise(storm, begin, &tally); });
  for (std::thread& thread : running) thread.join();
  std::vector<double> times;
  uint64_t failures = 0;
  for (const Tally& tally : tallies) {
    times.insert(times.end(), tally.times.begin(), tally.times.end());
    failures += tally.failures;
  }
  std::sort(times.begin(), times.end());
  printf("{\"connects\": %zu, \"failures\": %llu, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}\n",
         times.size(), static_cast<unsigned long long>(failures), Quantile(times, 0.5),
         Quantile(times, 0.99), times.empty() ? -1 : times.back());
  return 0;
}

int RunBystander(double seconds, const char* conninfo, double period_ms) {
  const Clock::time_point begin = Clock::now();
  std::vector<double> times;
  uint64_t failures = 0;
  for (int turn = 0; Since(begin) < seconds * 1e3; ++turn) {
    const double due = turn * period_ms - Since(begin);
    if (due > 0) SleepMilliseconds(due);
    const Clock::time_point asked = Clock::now();
    PGconn* conn = Connect(conninfo, "SELECT 1");
    if (conn == nullptr) {
      ++failures;
      continue;
    }
    times.push_back(Since(asked));
    PQfinish(conn);
  }
  std::sort(times.begin(), times.end());
  printf("{\"tries\": %zu, \"failures\": %llu, \"p50\": %.3f, \"p99\": %.3f}\n",
         times.size() + failures, static_cast<unsigned long long>(failures), Quantile(times, 0.5),
         Quantile(times, 0.99));
  return 0;
}

int CountChildren(double seconds, const std::string& pid) {
  const Clock::time_point begin = Clock::now();
  const std::string path = "/proc/" + pid + "/task/" + pid + "/children";
  ptrdiff_t most = 0;
  while (Since(begin) < seconds * 1e3) {
    std::ifstream file(path);
    most = std::max(most, std::distance(std::istream_iterator<std::string>(file),
                                        std::istream_iterator<std::string>()));
    SleepMilliseconds(2);
  }
  printf("{\"most\": %td}\n", most);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string mode = count > 1 ? words[1] : "";
  const auto number = [&](int i) { return strtod(words[i], nullptr); };
  if (mode == "noise" && count == 7)
    return RunNoise(static_cast<int>(number(2)), {number(3), words[4], words[5], number(6)});
  if (mode == "bystander" && count == 5) return RunBystander(number(2), words[3], number(4));
  if (mode == "children" && count == 4) return CountChildren(number(2), words[3]);
  fprintf(stderr, "storm_bench: wrong arguments\n");
  return 2;
}
