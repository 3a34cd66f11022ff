// SPDX-License-Identifier: Apache-2.0
//
// Healthy: a burst that was served. A pool of two grows to its maximum of ten for three seconds of
// work, keeps what it opened for a while, and gives it back.

#include <deque>
#include <vector>

#include "tests/incidents/programs/service.h"

namespace shop {
namespace {

class GrowingPool {
 public:
  static constexpr size_t kLeast = 2;

  GrowingPool() {
    for (size_t i = 0; i < kLeast; ++i) idle_.push_back(Open());
  }
  PGconn* Take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return Open();
    PGconn* conn = idle_.front();
    idle_.pop_front();
    return conn;
  }
  void GiveBack(PGconn* conn) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(conn);
  }
  void ShrinkByOne() {
    const std::lock_guard lock(mutex_);
    if (idle_.size() <= kLeast) return;
    PQfinish(idle_.back());
    idle_.pop_back();
  }

 private:
  PGconn* Open() { return PQconnectdb("application_name=burst"); }

  std::mutex mutex_;
  std::deque<PGconn*> idle_;
};

void Work(GrowingPool* pool, int times) {
  for (int i = 0; i < times; ++i) {
    PGconn* conn = pool->Take();
    Execute(conn, "select pg_sleep(0.1)");
    pool->GiveBack(conn);
  }
}

}  // namespace
}  // namespace shop

int main() {
  shop::GrowingPool pool;
  shop::Work(&pool, 5);
  std::vector<std::thread> burst;
  for (int i = 0; i < 10; ++i) burst.emplace_back([&pool] { shop::Work(&pool, 30); });
  shop::Say("serving");
  for (std::thread& thread : burst) thread.join();
  shop::Beat beat(shop::milliseconds(300));
  for (int tick = 0;; ++tick, beat.Wait()) {
    shop::Work(&pool, 1);
    if (tick > 20 && tick % 5 == 0) pool.ShrinkByOne();
  }
}
