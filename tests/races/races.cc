// SPDX-License-Identifier: Apache-2.0
//
// races THREADS CONNECTS PLUGIN: so many threads connect so many times each, all at once, against
// the stand-in, in every way that there is: in place and step by step, working and in transactions,
// handing connections over to each other, waiting at a cap, from ever new stacks, out of a plugin
// that is loaded and unloaded; while another thread asks for the records. At the end nothing is
// open, and what was opened was closed.

#include <dlfcn.h>
#include <libpq-fe.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shim/include/pqleash.h"

namespace {

std::atomic<uint64_t> opened = 0;
std::atomic<uint64_t> closed = 0;
// Connections that the next one who comes by finishes.
std::array<std::atomic<PGconn*>, 16> exchange = {};

[[noreturn]] void Fail(const char* what) {
  fprintf(stderr, "races: %s\n", what);
  _exit(1);
}

PGconn* InPlace() { return PQconnectdb("dbname=in_place application_name=races"); }

PGconn* StepByStep() {
  PGconn* connection = PQconnectStart("dbname=step_by_step");
  for (int i = 0; connection != nullptr; ++i) {
    const PostgresPollingStatusType status = PQconnectPoll(connection);
    if (status == PGRES_POLLING_OK) break;
    if (status == PGRES_POLLING_FAILED) Fail("a connect failed");
    // Parked at the cap: its descriptor would say when.
    sched_yield();
    if (i > 50'000'000) Fail("a connect is never over");
  }
  return connection;
}

// A stack for each value: one of two ways at each of eight levels.
template <int level>
[[gnu::noinline]] PGconn* From(unsigned way, PGconn* (*open)()) {
  PGconn* connection = nullptr;
  if constexpr (level == 0) {
    connection = open();
  } else if ((way >> (level - 1) & 1) != 0) {
    connection = From<level - 1>(way, open);
    asm volatile("nop");
  } else {
    connection = From<level - 1>(way, open);
    asm volatile("");
  }
  return connection;
}

void Work(PGconn* connection, unsigned seed) {
  if (seed % 3 == 0) PQclear(PQexec(connection, "begin"));
  for (unsigned i = 0; i < seed % 4; ++i) PQclear(PQexec(connection, "select 1"));
  if (seed % 3 == 0) PQclear(PQexec(connection, "commit"));
}

void Finish(PGconn* connection) {
  PQfinish(connection);
  ++closed;
}

void ConnectAgainAndAgain(unsigned thread, unsigned connects, const std::string& plugin) {
  uint64_t state = thread * 0x9e3779b97f4a7c15u + 1;
  for (unsigned i = 0; i < connects; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto seed = static_cast<unsigned>(state >> 33);
    PGconn* connection = nullptr;
    if (seed % 500 == 0) {
      void* handle = dlopen(plugin.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle == nullptr) Fail(dlerror());
      auto* open = reinterpret_cast<PGconn* (*)()>(dlsym(handle, "pqleash_test_open"));
      connection = open();
      dlclose(handle);
    } else {
      connection = From<8>(seed >> 4, seed % 4 == 0 ? StepByStep : InPlace);
    }
    if (connection == nullptr || PQstatus(connection) != CONNECTION_OK) Fail("a connect failed");
    ++opened;
    Work(connection, seed);
    if (seed % 16 == 0) connection = exchange[seed / 16 % exchange.size()].exchange(connection);
    if (connection != nullptr) Finish(connection);
  }
}

void Ask(const std::atomic<bool>& stop) {
  std::vector<const PGconn*> open(64);
  std::vector<char> text(1 << 16);
  while (!stop) {
    const size_t count = pqleash_opened_since(0, open.data(), open.size());
    if (count != 0) pqleash_stack(open[0], text.data(), text.size());
    pqleash_report_json(text.data(), text.size());
    usleep(1'000);
  }
}

unsigned Number(const char* text) { return static_cast<unsigned>(strtoul(text, nullptr, 10)); }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) Fail("usage: races THREADS CONNECTS PLUGIN");
  const unsigned threads = Number(argv[1]);
  char directory[] = "/tmp/pqleash-races.XXXXXX";
  if (mkdtemp(directory) == nullptr) Fail("there is no directory");
  setenv("PQLEASH_DIR", directory, 1);
  // Less room than threads, but for those that are in the exchange.
  setenv("PQLEASH_LIMIT", "48", 1);
  setenv("PQLEASH_ON_LIMIT", "wait", 1);
  setenv("PQLEASH_WAIT_TIMEOUT", "10m", 1);

  std::atomic<bool> stop = false;
  std::thread asking([&] { Ask(stop); });
  std::vector<std::thread> connecting;
  for (unsigned i = 0; i < threads; ++i) {
    connecting.emplace_back(ConnectAgainAndAgain, i, Number(argv[2]), std::string(argv[3]));
  }
  for (std::thread& thread : connecting) thread.join();
  stop = true;
  asking.join();
  for (std::atomic<PGconn*>& kept : exchange) {
    if (PGconn* connection = kept.exchange(nullptr)) Finish(connection);
  }

  const bool wrong = pqleash_open_connections() != 0 || opened != closed ||
                     opened != uint64_t{threads} * Number(argv[2]) ||
                     pqleash_opened_since(0, nullptr, 0) != 0;
  printf("%lu opened, %lu closed, %u open according to the records\n", opened.load(), closed.load(),
         pqleash_open_connections());
  fflush(stdout);
  const std::string remove = std::string("rm -rf ") + directory;
  if (system(remove.c_str()) != 0) return 1;  // NOLINT(cert-env33-c): of our own making
  return wrong ? 1 : 0;
}
