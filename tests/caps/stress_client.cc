// SPDX-License-Identifier: Apache-2.0

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/caps/stress_log.h"

namespace pqleash::stress {

namespace {

void Complain(Log* log, const char* text) {
  if (__atomic_fetch_add(&log->complaints, 1, __ATOMIC_ACQ_REL) != 0) return;
  snprintf(log->complaint, sizeof(log->complaint), "%s", text);
}

// A parked connect says READING, and its socket becomes readable when it may go or is refused.
PGconn* Asynchronous(const std::string& conninfo, Attempt* attempt) {
  PGconn* conn = PQconnectStart(conninfo.c_str());
  if (PQstatus(conn) == CONNECTION_BAD) return conn;
  PostgresPollingStatusType polled = PGRES_POLLING_WRITING;
  const int first_socket = PQsocket(conn);
  while (polled != PGRES_POLLING_OK && polled != PGRES_POLLING_FAILED) {
    pollfd descriptor = {PQsocket(conn), POLLIN, 0};
    if (polled == PGRES_POLLING_WRITING) descriptor.events = POLLOUT;
    poll(&descriptor, 1, -1);
    const uint64_t woken = Now();
    polled = PQconnectPoll(conn);
    if (attempt->let_go == 0 && PQsocket(conn) != first_socket) attempt->let_go = woken;
  }
  return conn;
}

class Client {
 public:
  Client(Log* log, int process, int thread, uint32_t generation)
      : log_(log),
        mine_(log->threads[process][thread]),
        generation_(generation),
        conninfo_("application_name=stress-" + std::to_string(process) + "-" +
                  std::to_string(generation) + "-" + std::to_string(thread)),
        random_(static_cast<uint32_t>(process * 1000 + thread) + generation * 100'000) {}

  void Run() {
    while (__atomic_load_n(&log_->stop, __ATOMIC_ACQUIRE) == 0 && mine_.count < kAttempts - 1) {
      Once();
      Sleep(Upto(5'000));
    }
  }

 private:
  static void Sleep(uint32_t microseconds) { usleep(microseconds); }
  uint32_t Upto(uint32_t bound) { return random_() % bound; }

  void Once() {
    Attempt& attempt = mine_.attempts[mine_.count];
    attempt = {};
    attempt.generation = generation_;
    attempt.asynchronous = Upto(2);
    attempt.begun = Now();
    __atomic_store_n(&mine_.count, mine_.count + 1, __ATOMIC_RELEASE);
    PGconn* conn = attempt.asynchronous != 0 ? Asynchronous(conninfo_, &attempt)
                                             : PQconnectdb(conninfo_.c_str());
    const bool connected = PQstatus(conn) == CONNECTION_OK;
    attempt.backend = PQbackendPID(conn);
    const uint64_t now = Now();
    if (attempt.let_go == 0) attempt.let_go = now;
    const char* message = PQerrorMessage(conn);
    const bool refused = strncmp(message, "pqleash refused", 15) == 0;
    attempt.result = connected ? kConnected : refused ? kRefused : kFailed;
    __atomic_store_n(&attempt.answered, now, __ATOMIC_RELEASE);
    if (!connected && !refused) Complain(log_, message);
    if (connected) {
      if (Upto(4) == 0) PQclear(PQexec(conn, "SELECT 1"));
      Sleep(Upto(50) == 0 ? 100'000 : Upto(6'000));
    }
    __atomic_store_n(&attempt.finished, Now(), __ATOMIC_RELEASE);
    PQfinish(conn);
  }

  Log* const log_;
  Thread& mine_;
  const uint32_t generation_;
  const std::string conninfo_;
  std::minstd_rand random_;
};

}  // namespace

int RunClient(Log* log, int process, uint32_t generation) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([=] { Client(log, process, thread, generation).Run(); });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

int TakeAll() {
  std::vector<PGconn*> held;
  const uint64_t begun = Now();
  for (uint32_t i = 0; i < kLimit; ++i) held.push_back(PQconnectdb("application_name=fresh"));
  const auto established = std::count_if(
      held.begin(), held.end(), [](const PGconn* conn) { return PQstatus(conn) == CONNECTION_OK; });
  const uint64_t took = Now() - begun;
  PGconn* one_more = PQconnectdb("application_name=fresh");
  const bool refused = PQstatus(one_more) == CONNECTION_BAD;
  if (established != kLimit) printf("%s", PQerrorMessage(held.back()));
  printf("%td of %u at once, in %.3f s, one more: %s\n", established, kLimit,
         static_cast<double>(took) / 1e9, refused ? "refused" : "connected");
  return established == kLimit && refused ? 0 : 1;
}

}  // namespace pqleash::stress
