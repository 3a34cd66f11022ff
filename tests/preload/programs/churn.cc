// SPDX-License-Identifier: Apache-2.0
//
// Connects and finishes without end, in two threads, keeping some open. To be killed.

#include <deque>
#include <thread>

#include "tests/preload/programs/program.h"

namespace {

void Churn() {
  std::deque<PGconn*> open;
  for (;;) {
    open.push_back(PQconnectdb(""));
    PQclear(PQexec(open.back(), "SELECT 1"));
    if (open.size() < 20) continue;
    PQfinish(open.front());
    open.pop_front();
  }
}

}  // namespace

int main() {
  PQfinish(PQconnectdb(""));
  program::Say("churning");
  std::thread other(Churn);
  Churn();
}
