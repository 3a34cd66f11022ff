// SPDX-License-Identifier: Apache-2.0
//
// Threads that are in everything that an attach must keep out of: the allocator, the dynamic
// linker, connects, and timed waits whose every early end is counted. Says 'ready', runs until its
// input ends, and says what went wrong: 'errors N, interrupted N'.

#include <dlfcn.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

std::atomic<bool> ending{false};
std::atomic<long> errors{0};
std::atomic<long> interrupted{0};

void Allocate() {
  std::vector<char*> blocks(64);
  unsigned seed = 1;
  while (!ending) {
    for (char*& block : blocks) {
      std::free(block);
      const size_t size = 16 + rand_r(&seed) % 100'000;
      block = static_cast<char*>(std::malloc(size));
      std::memset(block, 1, size);
    }
    usleep(50);
  }
  for (char* block : blocks) std::free(block);
}

void Load() {
  while (!ending) {
    void* library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr || dlsym(library, "zlibVersion") == nullptr) ++errors;
    if (library != nullptr) dlclose(library);
    usleep(50);
  }
}

void Connect() {
  while (!ending) {
    PGconn* conn = PQconnectdb("");
    if (PQstatus(conn) != CONNECTION_OK) ++errors;
    PGresult* result = PQexec(conn, "select 1");
    if (PQresultStatus(result) != PGRES_TUPLES_OK) ++errors;
    PQclear(result);
    PQfinish(conn);
  }
}

void WaitForEvents() {
  const int set = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event;
  while (!ending) {
    if (epoll_wait(set, &event, 1, 20) < 0) ++interrupted;
  }
  close(set);
}

void Poll() {
  while (!ending) {
    if (poll(nullptr, 0, 20) < 0) ++interrupted;
  }
}

}  // namespace

int main() {
  std::vector<std::thread> threads;
  for (auto* work : {Allocate, Allocate, Load, Connect, Connect, WaitForEvents, Poll})
    threads.emplace_back(work);
  std::printf("ready\n");
  std::fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  ending = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("errors %ld, interrupted %ld\n", errors.load(), interrupted.load());
  return errors == 0 && interrupted == 0 ? 0 : 1;
}
