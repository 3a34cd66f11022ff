// SPDX-License-Identifier: Apache-2.0
//
// A service that does what it is told, line by line, and says 'ok WHAT' after each:
//   open N    opens N connections with the empty conninfo, and keeps them
//   lose N    likewise, and forgets them
//   exec      runs a query on the latest connection
//   begin     begins a transaction on it
//   close     finishes the latest connection
//   plugin F  loads F and has it open a connection (plugin.c)
//   fork      forks a child, which opens a connection of its own and ends
//   keep      forks a child, which waits
//   release   tells it to open a connection, and to end
//   load F    loads F
//   spin      computes until there is another line
//   waits     timed waits of 400 ms in a nanosleep, a poll, a condition and an epoll, one after the
//             other: says which did not last as long, or ended otherwise
// Its end is that of its input.

#include <dlfcn.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
std::vector<PGconn*> connections;

PGconn* Connect() {
  PGconn* conn = PQconnectdb("");
  if (PQstatus(conn) != CONNECTION_OK) {
    std::printf("failed: %s", PQerrorMessage(conn));
    std::exit(1);
  }
  return conn;
}

void Run(const char* statement) {
  PGresult* result = PQexec(connections.back(), statement);
  if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
    std::printf("failed: %s", PQerrorMessage(connections.back()));
  PQclear(result);
}

void OpenByPlugin(const char* file) {
  void* plugin = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) {
    std::printf("failed: %s\n", dlerror());
    return;
  }
  auto* open = reinterpret_cast<PGconn* (*)()>(dlsym(plugin, "plugin_open"));
  connections.push_back(open());
}

void Fork() {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    PGconn* conn = PQconnectdb("");
    const bool good = PQstatus(conn) == CONNECTION_OK;
    PQfinish(conn);
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) std::printf("failed: the child ended with %d\n", status);
}

int to_child = -1;
pid_t kept_child = -1;

void Keep() {
  int ends[2];
  if (pipe(ends) != 0) return;
  std::fflush(stdout);
  kept_child = fork();
  if (kept_child == 0) {
    close(ends[1]);
    char byte;
    if (read(ends[0], &byte, 1) != 1) _exit(1);
    PGconn* conn = PQconnectdb("");
    const bool good = PQstatus(conn) == CONNECTION_OK;
    PQfinish(conn);
    _exit(good ? 0 : 1);
  }
  close(ends[0]);
  to_child = ends[1];
}

void Release() {
  int status = 0;
  if (write(to_child, "g", 1) != 1) std::printf("failed: write\n");
  close(to_child);
  waitpid(kept_child, &status, 0);
  if (status != 0) std::printf("failed: the child ended with %d\n", status);
}

void Spin() {
  std::printf("spinning\n");
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  volatile unsigned long sum = 0;
  while (poll(&input, 1, 0) == 0) {
    for (unsigned i = 0; i < 50'000'000; ++i) sum = sum + i;
  }
}

void Check(const char* what, Clock::time_point begun, bool expected) {
  const auto lasted =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun).count();
  if (!expected || lasted < 399) std::printf("failed: %s after %ld ms\n", what, long{lasted});
}

void Wait() {
  constexpr long kNanoseconds = 400'000'000;
  auto begun = Clock::now();
  const timespec pause = {0, kNanoseconds};
  Check("nanosleep", begun, nanosleep(&pause, nullptr) == 0);
  begun = Clock::now();
  Check("poll", begun, poll(nullptr, 0, 400) == 0);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += kNanoseconds;
  until.tv_sec += until.tv_nsec / 1'000'000'000;
  until.tv_nsec %= 1'000'000'000;
  pthread_mutex_lock(&mutex);
  begun = Clock::now();
  Check("a condition", begun, pthread_cond_timedwait(&condition, &mutex, &until) == ETIMEDOUT);
  pthread_mutex_unlock(&mutex);
  const int set = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event;
  begun = Clock::now();
  Check("epoll_wait", begun, epoll_wait(set, &event, 1, 400) == 0);
  close(set);
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("ready\n");
  char line[512];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    line[std::strcspn(line, "\n")] = '\0';
    char* argument = std::strchr(line, ' ');
    if (argument != nullptr) *argument++ = '\0';
    const int count = argument != nullptr ? std::atoi(argument) : 1;
    if (std::strcmp(line, "open") == 0) {
      for (int i = 0; i < count; ++i) connections.push_back(Connect());
    } else if (std::strcmp(line, "lose") == 0) {
      for (int i = 0; i < count; ++i) Connect();
    } else if (std::strcmp(line, "exec") == 0) {
      Run("select 1");
    } else if (std::strcmp(line, "begin") == 0) {
      Run("begin");
    } else if (std::strcmp(line, "close") == 0) {
      PQfinish(connections.back());
      connections.pop_back();
    } else if (std::strcmp(line, "plugin") == 0) {
      OpenByPlugin(argument);
    } else if (std::strcmp(line, "fork") == 0) {
      Fork();
    } else if (std::strcmp(line, "keep") == 0) {
      Keep();
    } else if (std::strcmp(line, "release") == 0) {
      Release();
    } else if (std::strcmp(line, "load") == 0) {
      if (dlopen(argument, RTLD_NOW | RTLD_LOCAL) == nullptr)
        std::printf("failed: %s\n", dlerror());
    } else if (std::strcmp(line, "spin") == 0) {
      Spin();
    } else if (std::strcmp(line, "waits") == 0) {
      Wait();
    }
    std::printf("ok %s\n", line);
  }
  for (PGconn* conn : connections) PQfinish(conn);
  std::printf("end\n");
  return 7;
}
