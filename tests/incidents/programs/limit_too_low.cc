// SPDX-License-Identifier: Apache-2.0
//
// Outage 2: a pool limit too low. 20 logins a second come in, each holds a connection for 150 ms: 3
// at once. The pool has POOL_SIZE (2 by default), whoever waits for half a second gives up, and the
// server is nearly idle.

#include <condition_variable>
#include <deque>
#include <vector>

#include "tests/incidents/programs/service.h"

namespace shop {
namespace {

class LoginPool {
 public:
  explicit LoginPool(int size) {
    for (int i = 0; i < size; ++i) idle_.push_back(Open());
  }

  // nullptr: none came free in time.
  PGconn* Take(milliseconds limit) {
    std::unique_lock lock(mutex_);
    if (!available_.wait_for(lock, limit, [this] { return !idle_.empty(); })) return nullptr;
    PGconn* conn = idle_.front();
    idle_.pop_front();
    return conn;
  }

  void GiveBack(PGconn* conn) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(conn);
    available_.notify_one();
  }

 private:
  PGconn* Open() { return PQconnectdb("application_name=logins"); }

  std::mutex mutex_;
  std::condition_variable available_;
  std::deque<PGconn*> idle_;
};

void LogIn(LoginPool* pool) {
  PGconn* conn = pool->Take(milliseconds(500));
  if (conn == nullptr) {
    SayFailed("no connection within 500 ms");
    return;
  }
  if (Execute(conn, "select pg_sleep(0.15)")) {
    Say("done");
  } else {
    SayFailed(PQerrorMessage(conn));
  }
  pool->GiveBack(conn);
}

}  // namespace
}  // namespace shop

int main() {
  constexpr int kThreads = 32;
  constexpr int kIntervalMs = 50;
  shop::LoginPool pool(shop::Setting("POOL_SIZE", 2));
  shop::Say("onset");
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&pool, i] {
      std::this_thread::sleep_for(shop::milliseconds(i * kIntervalMs));
      for (shop::Beat beat(shop::milliseconds(kThreads * kIntervalMs));; beat.Wait()) {
        shop::LogIn(&pool);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}
