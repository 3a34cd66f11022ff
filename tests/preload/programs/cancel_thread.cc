// SPDX-License-Identifier: Apache-2.0
//
// A thread is cancelled inside libpq; its clean-up handler finishes another connection.
//   connect-pending, query-pending   the request is there before the call: the first cancellation
//   point acts on it connect, query                   the thread is asleep in the call

#include <pthread.h>
#include <sys/syscall.h>

#include <atomic>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

std::atomic<pid_t> worker{0};
bool pending = false;
bool in_query = false;

void CleanUp(void* conn) {
  Say("clean-up");
  PQfinish(static_cast<PGconn*>(conn));
}

void* Work(void*) {
  PGconn* first = PQconnectdb("");
  pthread_cleanup_push(CleanUp, first);
  if (pending) pthread_cancel(pthread_self());
  worker = static_cast<pid_t>(syscall(SYS_gettid));
  if (in_query) {
    PQclear(PQexec(first, "SELECT pg_sleep(30)"));
  } else {
    PQfinish(PQconnectdb("standin_hang_ms=30000"));
  }
  Say("not cancelled");
  pthread_cleanup_pop(1);
  return nullptr;
}

// Whether the thread sleeps in the kernel.
bool Sleeps(pid_t tid) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
  FILE* file = fopen(path, "re");
  if (file == nullptr) return false;
  char line[256] = {};
  const bool read = fgets(line, sizeof(line), file) != nullptr;
  fclose(file);
  const char* end = strrchr(line, ')');
  return read && end != nullptr && end[1] == ' ' && end[2] == 'S';
}

}  // namespace

int main(int argc, char** argv) {
  pending = argc > 1 && strstr(argv[1], "-pending") != nullptr;
  in_query = argc > 1 && strncmp(argv[1], "query", 5) == 0;
  pthread_t thread;
  pthread_create(&thread, nullptr, Work, nullptr);
  if (!pending) {
    // Asleep many times in a row: in the long sleep, not in a short wait on the way.
    int asleep = 0;
    while (asleep < 50) {
      asleep = worker != 0 && Sleeps(worker) ? asleep + 1 : 0;
      usleep(1000);
    }
    pthread_cancel(thread);
  }
  void* result = nullptr;
  pthread_join(thread, &result);
  Say("cancelled: %d", result == PTHREAD_CANCELED);
  PGconn* conn = Connect();
  Query(conn, "SELECT 1");
  Finish(conn);
}
