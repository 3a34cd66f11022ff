// SPDX-License-Identifier: Apache-2.0
//
// Outage 4: a misconfigured pool leaks. Every sixth job fails, and its connection is not given
// back; the pool's maximum is 0, 'no limit', so that it opens another.

#include <deque>

#include "tests/incidents/programs/service.h"

namespace shop {
namespace {

class JobPool {
 public:
  PGconn* Take() {
    while (!idle_.empty()) {
      PGconn* conn = idle_.front();
      idle_.pop_front();
      if (PQstatus(conn) == CONNECTION_OK) return conn;
      PQfinish(conn);
    }
    return Open();
  }
  void GiveBack(PGconn* conn) { idle_.push_back(conn); }

 private:
  PGconn* Open() { return PQconnectdb("application_name=jobs"); }

  std::deque<PGconn*> idle_;
};

void DoJob(JobPool* pool, int number) {
  PGconn* conn = pool->Take();
  const char* statement = number % 6 == 5 ? "select 1/0" : "select pg_sleep(0.01)";
  if (!Execute(conn, statement)) {
    SayFailed(PQerrorMessage(conn));
    // Only a connection that never was is thrown away here; the others are forgotten.
    if (PQstatus(conn) != CONNECTION_OK) PQfinish(conn);
    return;
  }
  pool->GiveBack(conn);
  Say("done");
}

}  // namespace
}  // namespace shop

int main() {
  shop::JobPool pool;
  shop::Say("onset");
  shop::Beat beat(shop::milliseconds(130));
  for (int number = 0;; ++number, beat.Wait()) shop::DoJob(&pool, number);
}
