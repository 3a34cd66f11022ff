// SPDX-License-Identifier: Apache-2.0
//
// Much of everything, against the stand-in. Prints one line of JSON and, where something is to be
// looked at, waits for the end of its input.
//
//   scale connections COUNT         opens them all; how long the first and the last thousand take
//   scale stacks COUNT DEPTH        opens one from each of COUNT distinct stacks of DEPTH frames,
//   twice scale modules DIRECTORY COUNT   opens one through each of the libraries 0.so, 1.so, ...
//   scale processes COUNT           as many children, each with one connection
//   scale threads COUNT MS CONNINFO connects and finishes in all of them for MS milliseconds
//
// Times are medians of single calls in nanoseconds: what else runs on the machine does not move
// them much.

#include <dlfcn.h>
#include <libpq-fe.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
}

template <typename Function>
double TimeOf(const Function& function) {
  const Clock::time_point begin = Clock::now();
  function();
  return Since(begin);
}

double Median(std::vector<double> times, size_t from, size_t to) {
  if (from >= to || to > times.size()) return -1;
  std::sort(times.begin() + static_cast<ptrdiff_t>(from),
            times.begin() + static_cast<ptrdiff_t>(to));
  return times[from + (to - from) / 2];
}

double Mean(const std::vector<double>& times, size_t from, size_t to) {
  double sum = 0;
  for (size_t i = from; i < to; ++i) sum += times[i];
  return sum / static_cast<double>(to - from);
}

long Resident() {
  FILE* file = fopen("/proc/self/statm", "re");
  long size = 0, resident = 0;
  if (file != nullptr && fscanf(file, "%ld %ld", &size, &resident) != 2) resident = 0;  // NOLINT
  if (file != nullptr) fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

void WaitForEndOfInput() {
  fflush(stdout);
  while (getchar() != EOF) {
  }
}

PGconn* Opened(PGconn* conn) {
  if (PQstatus(conn) != CONNECTION_OK) abort();
  return conn;
}

int Connections(size_t count) {
  constexpr size_t kEdge = 1000;
  std::vector<double> times, closing;
  times.reserve(count);
  std::vector<PGconn*> conns(count);
  const long before = Resident();
  // What is done once: the ledger, the stack.
  PQfinish(Opened(PQconnectdb("")));
  for (PGconn*& conn : conns) times.push_back(TimeOf([&] { conn = PQconnectdb(""); }));
  const long resident = Resident() - before;
  std::vector<double> queries;
  for (size_t i = 0; i < count; ++i) {
    PGconn* conn = conns[(i * 7919) % count];
    queries.push_back(TimeOf([&] { PQclear(PQexec(conn, "SELECT 1")); }));
  }
  std::vector<double> churn;
  for (size_t i = 0; i < 5 * kEdge; ++i) {
    churn.push_back(TimeOf([&] { PQfinish(PQconnectdb("")); }));
  }
  printf(
      "{\"connect_first\": %.0f, \"connect_last\": %.0f, \"mean_first\": %.0f, \"mean_last\": "
      "%.0f, "
      "\"query\": %.0f, \"connect_and_finish_full\": %.0f, \"resident\": %ld}\n",
      Median(times, 0, kEdge), Median(times, count - kEdge, count), Mean(times, 0, kEdge),
      Mean(times, count - kEdge, count), Median(queries, 0, count), Median(churn, 0, 5 * kEdge),
      resident);
  WaitForEndOfInput();
  for (size_t i = 0; i < count; ++i) {
    PGconn* conn = conns[(i * 7919) % count];
    closing.push_back(TimeOf([&] { PQfinish(conn); }));
  }
  printf("{\"finish_first\": %.0f, \"finish_last\": %.0f}\n", Median(closing, 0, kEdge),
         Median(closing, count - kEdge, count));
  return 0;
}

// The path through two functions spells `number`: a stack of its own for each.
PGconn* Left(int depth, unsigned number);
// NOLINTNEXTLINE(misc-no-recursion): that is what it is for
__attribute__((noinline)) PGconn* Right(int depth, unsigned number) {
  PGconn* conn = depth == 0           ? PQconnectdb("")
                 : (number & 1u) == 1 ? Right(depth - 1, number >> 1)
                                      : Left(depth - 1, number >> 1);
  asm volatile("" ::: "memory");  // no tail call
  return conn;
}
// NOLINTNEXTLINE(misc-no-recursion)
__attribute__((noinline)) PGconn* Left(int depth, unsigned number) {
  PGconn* conn = depth == 0           ? PQconnectdb("")
                 : (number & 1u) == 1 ? Right(depth - 1, number >> 1)
                                      : Left(depth - 1, number >> 1);
  asm volatile("" ::: "memory");
  return conn;
}

// In one place, so that the second time is the same stack.
__attribute__((noinline)) double TimeToOpen(const std::function<PGconn*()>& open, PGconn** conn) {
  return TimeOf([&] { *conn = Opened(open()); });
}

int Stacks(size_t count, int depth) {
  constexpr size_t kEdge = 500;
  std::vector<double> first, again;
  const long before = Resident();
  long resident = 0;
  for (std::vector<double>* times : {&first, &again}) {
    for (unsigned i = 0; i < count; ++i) {
      PGconn* conn = nullptr;
      times->push_back(TimeToOpen([&] { return Left(depth, i); }, &conn));
      if (times == &again) PQfinish(conn);
    }
    if (times == &first) resident = Resident() - before;
  }
  printf("{\"new_first\": %.0f, \"new_last\": %.0f, \"known\": %.0f, \"resident\": %ld}\n",
         Median(first, 1, kEdge), Median(first, count - kEdge, count), Median(again, 0, count),
         resident);
  WaitForEndOfInput();
  return 0;
}

int ThroughModules(const std::string& directory, size_t count) {
  using Open = PGconn* (*)(const char*);
  std::vector<double> times, again;
  std::vector<Open> functions;
  const auto open = [&](std::vector<double>* into, Open function) {
    PGconn* conn = nullptr;
    into->push_back(TimeToOpen([&] { return function(""); }, &conn));
    return conn;
  };
  // First each with a module that nobody has seen yet.
  for (size_t i = 0; i < 4 * count; ++i) {
    if (i < count) {
      const std::string path = directory + "/" + std::to_string(i) + ".so";
      void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (module == nullptr) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
      }
      functions.push_back(reinterpret_cast<Open>(dlsym(module, "open_through_module")));
    }
    PGconn* conn = open(i < count ? &times : &again, functions[i % count]);
    if (i >= count) PQfinish(conn);
  }
  printf("{\"new_first\": %.0f, \"new_last\": %.0f, \"known\": %.0f}\n", Median(times, 1, 50),
         Median(times, count - 50, count), Median(again, count, again.size()));
  WaitForEndOfInput();
  return 0;
}

int Processes(size_t count) {
  int answers[2], lifeline[2];
  if (pipe(answers) != 0 || pipe(lifeline) != 0) return 1;
  std::vector<double> times;
  for (size_t i = 0; i < count; ++i) {
    const pid_t pid = fork();
    if (pid < 0) return 1;
    if (pid == 0) {
      close(lifeline[1]);
      const double took = TimeOf([] { Opened(PQconnectdb("")); });
      if (write(answers[1], &took, sizeof(took)) != sizeof(took)) _exit(1);
      char byte;
      _exit(read(lifeline[0], &byte, 1) == 0 ? 0 : 1);  // the parent's end closes it
    }
    double took = 0;
    if (read(answers[0], &took, sizeof(took)) != sizeof(took)) return 1;
    times.push_back(took);
  }
  const size_t edge = std::min<size_t>(count / 4, 200);
  printf("{\"connect_first\": %.0f, \"connect_last\": %.0f}\n", Median(times, 0, edge),
         Median(times, count - edge, count));
  WaitForEndOfInput();
  close(lifeline[1]);
  while (wait(nullptr) > 0) {
  }
  return 0;
}

int Threads(size_t count, double milliseconds, const char* conninfo) {
  std::atomic<bool> over{false};
  std::atomic<size_t> connects{0}, ready{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      PQfinish(Opened(PQconnectdb("")));
      ++ready;
      while (ready < count) std::this_thread::yield();
      size_t own = 0;
      for (; !over.load(std::memory_order_relaxed); ++own) PQfinish(Opened(PQconnectdb(conninfo)));
      connects += own;
    });
  }
  while (ready < count) std::this_thread::yield();
  const Clock::time_point begin = Clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(milliseconds));
  over = true;
  for (std::thread& thread : threads) thread.join();
  printf("{\"per_second\": %.0f}\n", static_cast<double>(connects) / Since(begin) * 1e9);
  WaitForEndOfInput();
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string what = count > 2 ? words[1] : "";
  const auto number = [&](int i) { return strtoul(words[i], nullptr, 10); };
  if (what == "connections" && count == 3) return Connections(number(2));
  if (what == "stacks" && count == 4) return Stacks(number(2), static_cast<int>(number(3)));
  if (what == "modules" && count == 4) return ThroughModules(words[2], number(3));
  if (what == "processes" && count == 3) return Processes(number(2));
  if (what == "threads" && count == 5)
    return Threads(number(2), static_cast<double>(number(3)), words[4]);
  fprintf(stderr, "scale: wrong arguments\n");
  return 2;
}
