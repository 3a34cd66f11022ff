// SPDX-License-Identifier: Apache-2.0
//
// An ordinary service: a few threads take orders and write them to PostgreSQL through a small pool
// of connections. It knows nothing of pqleash. Three things are wrong with it, each of a kind that
// reviews let through:
//
//  1. OrderDesk::Audit opens a connection of its own for the audit record, and returns early,
//     without PQfinish, when the amount is invalid.
//  2. Archive::Connect keeps the PGconn of a connect that failed, and tries again with a new one.
//  3. Warehouse::Reserve begins a transaction and then waits for the carrier while it holds it.
//
// It prints 'serving' some seconds after it has seen some of everything, and runs until SIGTERM or
// SIGINT.

#include <libpq-fe.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace shop {

using std::chrono::milliseconds;

// Set once, at the end. Threads that wait are woken.
class Shutdown {
 public:
  void Begin() {
    const std::lock_guard lock(mutex_);
    begun_ = true;
    condition_.notify_all();
  }
  // Waits; true when the end has come before.
  bool WaitFor(milliseconds time) {
    std::unique_lock lock(mutex_);
    return condition_.wait_for(lock, time, [this] { return begun_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool begun_ = false;
};

void Execute(PGconn* conn, const std::string& statement) {
  PGresult* result = PQexec(conn, statement.c_str());
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    fprintf(stderr, "%s", PQerrorMessage(conn));
  PQclear(result);
}

// A fixed number of connections, opened at the start, lent and given back.
class Pool {
 public:
  explicit Pool(int size) {
    for (int i = 0; i < size; ++i) idle_.push_back(PQconnectdb("application_name=orders-pool"));
  }
  ~Pool() {
    for (PGconn* conn : idle_) PQfinish(conn);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  PGconn* Take() {
    std::unique_lock lock(mutex_);
    available_.wait(lock, [this] { return !idle_.empty(); });
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
  std::mutex mutex_;
  std::condition_variable available_;
  std::deque<PGconn*> idle_;
};

struct Order {
  int number;
  int amount;
};

class OrderDesk {
 public:
  explicit OrderDesk(Pool* pool) : pool_(pool) {}

  void Serve(const Order& order) {
    PGconn* conn = pool_->Take();
    Execute(conn, "INSERT INTO orders VALUES (" + std::to_string(order.number) + ", " +
                      std::to_string(order.amount) + ")");
    pool_->GiveBack(conn);
    Audit(order);
    ++served_;
  }
  int served() const { return served_; }

 private:
  // Not from the pool: the audit must be written even when the pool is exhausted.
  bool Audit(const Order& order) {
    PGconn* audit = PQconnectdb("application_name=orders-audit");
    if (PQstatus(audit) != CONNECTION_OK) {
      PQfinish(audit);
      return false;
    }
    Execute(audit, "INSERT INTO audit VALUES (" + std::to_string(order.number) + ")");
    if (order.amount <= 0) {
      return false;  // defect 1: there is nothing to record, and nobody to finish the connection
    }
    Execute(audit,
            "UPDATE audit SET checked = true WHERE number = " + std::to_string(order.number));
    PQfinish(audit);
    return true;
  }

  Pool* const pool_;
  std::atomic<int> served_ = 0;
};

// Old orders go to another database, which nobody has created here.
class Archive {
 public:
  bool Connect() {
    connection_ = PQconnectdb("application_name=orders-archive dbname=archive");
    return PQstatus(connection_) ==
           CONNECTION_OK;  // defect 2: the next attempt forgets this PGconn
  }

 private:
  PGconn* connection_ = nullptr;
};

class Warehouse {
 public:
  // Until the carrier has confirmed, which it does not do today.
  void Reserve(const Order& order, Shutdown* shutdown) {
    PGconn* conn = PQconnectdb("application_name=orders-warehouse");
    Execute(conn, "BEGIN");
    Execute(conn,
            "SELECT * FROM orders WHERE number = " + std::to_string(order.number) + " FOR UPDATE");
    reserved_ = true;
    while (!shutdown->WaitFor(milliseconds(1000))) {  // defect 3: the row stays locked
    }
    Execute(conn, "COMMIT");
    PQfinish(conn);
  }
  bool reserved() const { return reserved_; }

 private:
  std::atomic<bool> reserved_ = false;
};

void CreateTables(Pool* pool) {
  PGconn* conn = pool->Take();
  Execute(conn, "CREATE TABLE orders (number int, amount int)");
  Execute(conn, "CREATE TABLE audit (number int, checked bool DEFAULT false)");
  pool->GiveBack(conn);
}

// Every tenth order has an invalid amount; no more of them than the server can bear.
Order NextOrder(std::atomic<int>* last) {
  const int number = ++*last;
  const bool invalid = number % 10 == 0 && number <= 120;
  return {number, invalid ? -1 : 100 + number % 7};
}

}  // namespace shop

int main() {
  using namespace shop;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Shutdown shutdown;
  Pool pool(4);
  CreateTables(&pool);
  OrderDesk desk(&pool);
  Warehouse warehouse;
  Archive archive;
  std::atomic<int> last_order = 0;
  std::atomic<int> archive_attempts = 0;

  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      do desk.Serve(NextOrder(&last_order));
      while (!shutdown.WaitFor(milliseconds(10)));
    });
  }
  threads.emplace_back([&] { warehouse.Reserve({1, 100}, &shutdown); });
  threads.emplace_back([&] {
    while (++archive_attempts <= 5 && !archive.Connect() && !shutdown.WaitFor(milliseconds(100))) {
    }
  });
  threads.emplace_back([&] {
    while (desk.served() < 150 || archive_attempts <= 5 || !warehouse.reserved()) {
      if (shutdown.WaitFor(milliseconds(20))) return;
    }
    // What is forgotten shows by its age.
    if (shutdown.WaitFor(milliseconds(4000))) return;
    puts("serving");
    fflush(stdout);
  });

  int received = 0;
  sigwait(&signals, &received);
  shutdown.Begin();
  for (std::thread& thread : threads) thread.join();
  printf("%d orders served\n", desk.served());
}
