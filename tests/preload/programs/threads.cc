// SPDX-License-Identifier: Apache-2.0
//
// Eight threads connect; each connection is finished by another thread than the one that opened it.

#include <pthread.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

constexpr int kThreads = 8;
std::array<std::vector<PGconn*>, kThreads> opened;
std::atomic<int> bad{0};

void Open(int number, int connects) {
  for (int i = 0; i < connects; ++i) {
    PGconn* conn = PQconnectdb("");
    if (PQstatus(conn) != CONNECTION_OK) ++bad;
    PGresult* result = PQexec(conn, "SELECT 1");
    if (PQresultStatus(result) != PGRES_TUPLES_OK) ++bad;
    PQclear(result);
    opened[static_cast<size_t>(number)].push_back(conn);
  }
}

void Close(int number) {
  for (PGconn* conn : opened[static_cast<size_t>((number + 1) % kThreads)]) PQfinish(conn);
}

template <typename Function>
void InThreads(const Function& function) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(function, i);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  const int connects = argc > 1 ? atoi(argv[1]) : 50;  // NOLINT(cert-err34-c): from our own table
  InThreads([connects](int number) { Open(number, connects); });
  InThreads(Close);
  Say("bad: %d", bad.load());
  SayDescriptors();
  return bad.load();
}
