// SPDX-License-Identifier: Apache-2.0
//
// The service of scripts/endurance: threads that open, use, reset, lose and close connections as
// fast as the server lets them, and that keep count of it themselves.
//
//   endurance_service THREADS    works until its input ends
//   endurance_service child      opens one connection, uses it, and ends
//
// Each line of input is a question. The service comes to rest, every thread between two of its
// jobs, and answers with one line of JSON: what it holds and what it has done. It goes on when the
// next line comes. The counts are exact, so that those of a ledger can be compared with them.
//
// ENDURANCE_SPOIL=memory makes it lose memory, ENDURANCE_SPOIL=counters makes it end connections
// past libpq: the script has to notice.

#include <libpq-fe.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace {

constexpr int kJobsOfAThread = 200;  // then another thread takes its place
constexpr size_t kMostLeaked = 8;    // then somebody restarts the component, and all are closed
constexpr auto kChildPeriod = std::chrono::milliseconds(250);

struct Counts {
  std::atomic<uint64_t> opened{0};
  std::atomic<uint64_t> closed{0};
  std::atomic<uint64_t> failed{0};
  std::atomic<uint64_t> queries{0};
  std::atomic<uint64_t> children{0};
};
Counts counts;

// Lets threads work, or brings them all to rest.
class Gate {
 public:
  // Between two jobs. False: it is over.
  bool Pass() {
    std::unique_lock lock(mutex_);
    --working_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_ || over_; });
    ++working_;
    return !over_;
  }
  void Enter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_ || over_; });
    ++working_;
  }
  void Leave() {
    const std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_all();
  }
  // Returns when nobody works.
  void Close() {
    std::unique_lock lock(mutex_);
    open_ = false;
    changed_.wait(lock, [&] { return working_ == 0; });
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void End() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  bool over() {
    const std::lock_guard lock(mutex_);
    return over_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  bool over_ = false;
  int working_ = 0;
};
Gate gate;

// Connections that nobody gives back, until there are too many of them.
class Leaks {
 public:
  // Those that are to be closed now.
  std::deque<PGconn*> Add(PGconn* conn) {
    const std::lock_guard lock(mutex_);
    leaked_.push_back(conn);
    std::deque<PGconn*> all;
    if (leaked_.size() >= kMostLeaked) all.swap(leaked_);
    return all;
  }

 private:
  std::mutex mutex_;
  std::deque<PGconn*> leaked_;
};
Leaks leaks;

// What has become of a connect. nullptr where it failed.
PGconn* Counted(PGconn* conn) {
  if (PQstatus(conn) == CONNECTION_OK) {
    ++counts.opened;
    return conn;
  }
  ++counts.failed;
  PQfinish(conn);
  return nullptr;
}

__attribute__((noinline)) PGconn* Open(const char* conninfo) {
  return Counted(PQconnectdb(conninfo));
}

// A stack of `depth` more frames: a call site of its own.
// NOLINTNEXTLINE(misc-no-recursion): that is what it is for
__attribute__((noinline)) PGconn* OpenDeep(int depth, const char* conninfo) {
  PGconn* conn = depth > 0 ? OpenDeep(depth - 1, conninfo) : Counted(PQconnectdb(conninfo));
  asm volatile("" ::: "memory");  // no tail call
  return conn;
}

__attribute__((noinline)) PGconn* OpenAsynchronously(const char* conninfo) {
  PGconn* conn = PQconnectStart(conninfo);
  PostgresPollingStatusType status =
      PQstatus(conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
    pollfd descriptor = {PQsocket(conn), POLLIN, 0};
    if (status == PGRES_POLLING_WRITING) descriptor.events = POLLOUT;
    poll(&descriptor, 1, -1);
    status = PQconnectPoll(conn);
  }
  return Counted(conn);
}

bool Spoilt(const char* what) {
  static const char* const spoil = getenv("ENDURANCE_SPOIL");
  return spoil != nullptr && strcmp(spoil, what) == 0;
}

void Close(PGconn* conn) {
  if (conn == nullptr) return;
  ++counts.closed;
  static std::atomic<uint64_t> number{0};
  if (Spoilt("counters") && ++number % 50 == 0) {
    close(PQsocket(conn));  // the server sees the end of it; the library does not
    return;
  }
  PQfinish(conn);
}

bool Query(PGconn* conn, const char* text) {
  PGresult* result = PQexec(conn, text);
  const ExecStatusType status = PQresultStatus(result);
  PQclear(result);
  ++counts.queries;
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

void QueryAndClose(PGconn* conn, const char* text) {
  if (conn != nullptr) Query(conn, text);
  Close(conn);
}

// A session that the server ends, and a reset that makes another.
void Lose(PGconn* conn) {
  if (conn == nullptr) return;
  Query(conn, "SELECT pg_terminate_backend(pg_backend_pid())");
  if (PQstatus(conn) == CONNECTION_BAD) ++counts.closed;
  PQreset(conn);
  if (PQstatus(conn) == CONNECTION_OK) {
    ++counts.opened;
    Close(conn);
    return;
  }
  ++counts.failed;
  PQfinish(conn);
}

void Transact(PGconn* conn) {
  if (conn == nullptr) return;
  for (const char* text : {"BEGIN", "SELECT count(*) FROM pg_class", "SELECT 1/0", "ROLLBACK"})
    Query(conn, text);
  Close(conn);
}

// One connection of a thread's own, used again and again, and replaced at times.
struct Pooled {
  PGconn* conn = nullptr;

  void Use(int number) {
    if (conn != nullptr && number % 20 == 0) {
      Close(conn);
      conn = nullptr;
    }
    if (conn == nullptr) conn = Open("application_name=endurance-pool");
    if (conn != nullptr) Query(conn, "SELECT 1");
  }
};

void DoJob(int number, Pooled* pooled) {
  if (Spoilt("memory")) memset(malloc(16'384), 1, 16'384);
  const char* const plain = "application_name=endurance";
  if (number < 40) return QueryAndClose(Open(plain), "SELECT 1");
  if (number < 55) return QueryAndClose(OpenDeep(number - 40, plain), "SELECT 1");
  if (number < 70) return QueryAndClose(OpenAsynchronously(plain), "SELECT 1");
  if (number < 80) return pooled->Use(number);
  if (number < 85) return Transact(Open(plain));
  if (number < 88) return Lose(Open(plain));
  if (number < 91) return QueryAndClose(Open("dbname=no_such_database"), "SELECT 1");
  if (number < 94) return QueryAndClose(Open("application_name=endurance-reject"), "SELECT 1");
  if (number < 96) return QueryAndClose(Open("application_name=endurance-paced"), "SELECT 1");
  if (PGconn* conn = Open("application_name=endurance-leak")) {
    for (PGconn* leaked : leaks.Add(conn)) Close(leaked);
  }
}

void Work(unsigned seed, Pooled* pooled) {
  std::minstd_rand random(seed);
  gate.Enter();
  for (int job = 0; job < kJobsOfAThread && gate.Pass(); ++job)
    DoJob(static_cast<int>(random() % 100), pooled);
  gate.Leave();
}

// Threads come and go.
void Employ(unsigned seed) {
  Pooled pooled;
  for (unsigned round = 0; !gate.over(); ++round)
    std::thread(Work, seed + 1000 * round, &pooled).join();
}

void RunChildren(const char* program) {
  std::string words[] = {program, "child"};
  char* arguments[] = {words[0].data(), words[1].data(), nullptr};
  gate.Enter();
  while (gate.Pass()) {
    pid_t pid;
    int status = 0;
    if (posix_spawn(&pid, program, nullptr, nullptr, arguments, environ) != 0) break;
    waitpid(pid, &status, 0);
    if (status == 0) ++counts.children;
    std::this_thread::sleep_for(kChildPeriod);
  }
  gate.Leave();
}

int RunChild() {
  PGconn* conn = PQconnectdb("application_name=endurance-child");
  // Refused by a cap, it did what it was meant to.
  if (PQstatus(conn) == CONNECTION_OK) PQclear(PQexec(conn, "SELECT 1"));
  return 0;  // not finished: a process may end like that
}

void Answer() {
  const uint64_t opened = counts.opened, closed = counts.closed;
  printf(
      "{\"open\": %llu, \"opened\": %llu, \"closed\": %llu, \"failed\": %llu, \"queries\": %llu, "
      "\"children\": %llu}\n",
      static_cast<unsigned long long>(opened - closed), static_cast<unsigned long long>(opened),
      static_cast<unsigned long long>(closed), static_cast<unsigned long long>(counts.failed),
      static_cast<unsigned long long>(counts.queries),
      static_cast<unsigned long long>(counts.children));
  fflush(stdout);
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 && strcmp(words[1], "child") == 0) return RunChild();
  const int threads = count == 2 ? atoi(words[1]) : 0;  // NOLINT(cert-err34-c): of our own script
  if (threads <= 0) return 2;
  std::vector<std::thread> employers;
  for (int i = 0; i < threads; ++i) employers.emplace_back(Employ, static_cast<unsigned>(i + 1));
  std::thread children(RunChildren, words[0]);
  char line[64];
  bool resting = false;
  while (fgets(line, sizeof(line), stdin) != nullptr) {
    if (resting) {
      gate.Open();
    } else {
      gate.Close();
      Answer();
    }
    resting = !resting;
  }
  gate.End();
  for (std::thread& employer : employers) employer.join();
  children.join();
}
