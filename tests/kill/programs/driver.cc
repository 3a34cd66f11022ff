// SPDX-License-Identifier: Apache-2.0
//
// driver TRUTH PLUGIN: a server of hosts. Reads orders from stdin, answers on stdout. A host is
// forked before anything has called libpq; it works with all that the library has to write down,
// until it is killed.

#include <dlfcn.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <thread>

#include "tests/kill/truth.h"

namespace {

using pqleash::testing::HostTruth;
using pqleash::testing::kPlaces;
using pqleash::testing::kThreads;
using pqleash::testing::Order;
using pqleash::testing::Reply;
using pqleash::testing::ThreadTruth;
using pqleash::testing::Truth;

constexpr char kScarce[] = "dbname=scarce";  // the cap "few" speaks of it
constexpr char kFailing[] = "standin_outcome=fail";
constexpr int kHeld = 8;  // connections that a thread keeps open
const char* plugin_path = nullptr;

void Raise(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
}

// Each value of `way` is another stack: 65,536 of them, and the ledger has room for 1,024.
[[gnu::noinline]] PGconn* ConnectBy(unsigned way, int depth, const char* conninfo);
[[gnu::noinline]] PGconn* ConnectLeft(unsigned way, int depth, const char* conninfo) {
  PGconn* conn = ConnectBy(way >> 1, depth - 1, conninfo);
  asm volatile("" : "+r"(conn));
  return conn;
}
[[gnu::noinline]] PGconn* ConnectRight(unsigned way, int depth, const char* conninfo) {
  PGconn* conn = ConnectBy(way >> 1, depth - 1, conninfo);
  asm volatile("" : "+r"(conn) : : "memory");
  return conn;
}
[[gnu::noinline]] PGconn* ConnectBy(unsigned way, int depth, const char* conninfo) {
  PGconn* conn = depth == 0        ? PQconnectdb(conninfo)
                 : (way & 1) != 0u ? ConnectLeft(way, depth, conninfo)
                                   : ConnectRight(way, depth, conninfo);
  asm volatile("" : "+r"(conn));
  return conn;
}

PGconn* ConnectByPlugin(const char* conninfo) {
  void* handle = dlopen(plugin_path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) abort();
  const auto connect = reinterpret_cast<PGconn* (*)(PGconn * (*)(const char*), const char*)>(
      dlsym(handle, "ConnectThrough"));
  PGconn* conn = connect(PQconnectdb, conninfo);
  dlclose(handle);
  return conn;
}

PGconn* ConnectAsynchronously() {
  PGconn* conn = PQconnectStart("");
  for (int i = 0; i < 1'000; ++i) {
    const PostgresPollingStatusType status = PQconnectPoll(conn);
    if (status == PGRES_POLLING_OK || status == PGRES_POLLING_FAILED) break;
  }
  return conn;
}

class Worker {
 public:
  Worker(ThreadTruth* truth, uint32_t seed) : truth_(*truth), random_(seed) {}

  [[noreturn]] void Work() {
    while (true) Step();
  }

 private:
  void Step() {
    PGconn*& place = held_[random_() % kHeld];
    if (place != nullptr && random_() % 3 != 0) {
      Ask(place);
      return;
    }
    if (place != nullptr) {
      Finish(place);
      place = nullptr;
      return;
    }
    // Rarely: whoever waits does nothing else.
    if (random_() % 64 == 0) {
      Visit(kScarce);
      return;
    }
    switch (random_() % 8) {
      case 0:
        Visit(kFailing);
        return;
      case 3:
        place = Open([] { return ConnectByPlugin(""); });
        return;
      case 4:
        place = Open(ConnectAsynchronously);
        return;
      case 5:
        Raise(truth_.connecting);
        PQfinish(PQconnectStart(""));  // abandoned
        Raise(truth_.failed);
        return;
      default: {
        const unsigned way = random_();
        place = Open([way] { return ConnectBy(way, 16, ""); });
      }
    }
  }

  // nullptr: it failed, and was finished.
  template <typename Connect>
  PGconn* Open(Connect connect) {
    Raise(truth_.connecting);
    PGconn* conn = connect();
    const bool established = PQstatus(conn) == CONNECTION_OK;
    Raise(established ? truth_.opened : truth_.failed);
    if (established) return conn;
    PQfinish(conn);
    return nullptr;
  }

  void Finish(PGconn* conn) {
    Raise(truth_.finishing);
    PQfinish(conn);
    Raise(truth_.closed);
  }

  // Opens, asks and closes at once: nobody keeps a place for long.
  void Visit(const char* conninfo) {
    PGconn* conn = Open([conninfo] { return PQconnectdb(conninfo); });
    if (conn == nullptr) return;
    Ask(conn);
    Finish(conn);
  }

  void Ask(PGconn* conn) {
    if (random_() % 16 == 0) {
      PQreset(conn);
      return;
    }
    PQclear(PQexec(conn, "BEGIN"));
    PQclear(PQexec(conn, "SELECT 1"));
    if (random_() % 4 != 0) PQclear(PQexec(conn, "COMMIT"));
  }

  ThreadTruth& truth_;
  std::minstd_rand random_;
  PGconn* held_[kHeld] = {};
};

[[noreturn]] void Host(HostTruth* truth, uint32_t seed) {
  std::thread threads[kThreads - 1];
  for (int i = 1; i < kThreads; ++i) {
    threads[i - 1] = std::thread(
        [=] { Worker(&truth->threads[i], seed * kThreads + static_cast<uint32_t>(i)).Work(); });
  }
  Worker(&truth->threads[0], seed * kThreads).Work();
}

// 0: it got all of them.
[[noreturn]] void AskForPlaces() {
  int got = 0;
  for (int i = 0; i < kPlaces; ++i) got += PQstatus(PQconnectdb(kScarce)) == CONNECTION_OK ? 1 : 0;
  _exit(kPlaces - got);
}

int Carry(const Order& order, Truth* truth) {
  if (order.what == Order::kWait) {
    int status = 0;
    while (waitpid(order.number, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }
  const pid_t child = fork();
  if (child != 0) return child;
  alarm(120);  // where the checker has died
  if (order.what == Order::kAsk) AskForPlaces();
  Host(&truth->hosts[order.number], order.seed);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  plugin_path = argv[2];
  const int fd = open(argv[1], O_RDWR | O_CLOEXEC);
  void* memory = mmap(nullptr, sizeof(Truth), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return 1;
  close(fd);
  Order order;
  while (read(STDIN_FILENO, &order, sizeof(order)) == sizeof(order)) {
    const Reply reply = {Carry(order, static_cast<Truth*>(memory))};
    if (write(STDOUT_FILENO, &reply, sizeof(reply)) != sizeof(reply)) return 1;
  }
}
