// SPDX-License-Identifier: Apache-2.0
//
// A timer signal every half millisecond while connections come and go.

#include <sys/time.h>

#include <csignal>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

volatile sig_atomic_t signals = 0;
void Count(int) { signals = signals + 1; }

}  // namespace

int main() {
  struct sigaction action = {};
  action.sa_handler = Count;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval every = {{0, 500}, {0, 500}};
  setitimer(ITIMER_REAL, &every, nullptr);
  int bad = 0;
  int rounds = 0;
  while (rounds < 200 || signals < 20) {
    PGconn* conn = PQconnectdb("");
    PGresult* result = PQexec(conn, "SELECT 1");
    if (PQstatus(conn) != CONNECTION_OK || PQresultStatus(result) != PGRES_TUPLES_OK) ++bad;
    PQclear(result);
    PQfinish(conn);
    ++rounds;
  }
  const itimerval never = {};
  setitimer(ITIMER_REAL, &never, nullptr);
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  Say("bad: %d, blocked: %d", bad, sigismember(&mask, SIGALRM) | sigismember(&mask, SIGPIPE));
  SayDescriptors();
  return bad;
}
