// SPDX-License-Identifier: Apache-2.0
//
// What the services have in common. They know nothing of pqleash; they say on stdout what becomes
// of their work, a line for each piece: 'done', or 'failed: WHY'; and 'onset' when what goes wrong
// begins.

#ifndef PQLEASH_TESTS_INCIDENTS_PROGRAMS_SERVICE_H_
#define PQLEASH_TESTS_INCIDENTS_PROGRAMS_SERVICE_H_

#include <libpq-fe.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

namespace shop {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline void Say(const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  printf("%s\n", line.c_str());
  fflush(stdout);
}

// Its message on one line, and shortened.
inline void SayFailed(const std::string& why) {
  std::string line = why.substr(0, 120);
  for (char& each : line) {
    if (each == '\n') each = ' ';
  }
  Say("failed: " + line);
}

inline bool Execute(PGconn* conn, const char* statement) {
  PGresult* result = PQexec(conn, statement);
  const ExecStatusType status = PQresultStatus(result);
  PQclear(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

// Work comes at a steady rate, whether the work before it is done or not.
class Beat {
 public:
  explicit Beat(milliseconds interval) : interval_(interval), next_(Clock::now()) {}
  void Wait() {
    next_ += interval_;
    std::this_thread::sleep_until(next_);
  }

 private:
  milliseconds interval_;
  Clock::time_point next_;
};

inline int Setting(const char* name, int otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : static_cast<int>(strtol(value, nullptr, 10));
}

}  // namespace shop

#endif  // PQLEASH_TESTS_INCIDENTS_PROGRAMS_SERVICE_H_
