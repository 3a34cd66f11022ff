// SPDX-License-Identifier: Apache-2.0
//
// What the hazard programs share. Each runs twice, bare and preloaded, and must say the same: they
// print what a host could notice, and nothing that differs from run to run anyway (addresses,
// process ids).

#ifndef PQLEASH_TESTS_PRELOAD_PROGRAMS_PROGRAM_H_
#define PQLEASH_TESTS_PRELOAD_PROGRAMS_PROGRAM_H_

#include <dirent.h>
#include <libpq-fe.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace program {

// A value that no call of libpq's sets. What errno is after a call of the real libpq depends on the
// kernel's timing; after one of the stand-in it is what it was before.
inline constexpr int kErrnoMark = 77;

inline bool OnStandin() { return getenv("PQLEASH_TEST_STANDIN") != nullptr; }

// One write a line, so that the lines of parent and child do not mix.
__attribute__((format(printf, 1, 2))) inline void Say(const char* format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(line, sizeof(line) - 1, format, arguments);
  va_end(arguments);
  if (size > static_cast<int>(sizeof(line)) - 2) size = sizeof(line) - 2;
  line[size] = '\n';
  [[maybe_unused]] const ssize_t written =
      write(STDOUT_FILENO, line, static_cast<size_t>(size) + 1);
}

inline void SayErrno(const char* call) {
  const int error = errno;
  if (OnStandin()) Say("%s: errno %d", call, error);
  errno = kErrnoMark;
}

// A conninfo that no libpq can connect with: the stand-in does as it is told, the real one has no
// such option.
inline constexpr char kFailing[] = "standin_outcome=fail";

inline PGconn* Connect(const char* conninfo = "") {
  errno = kErrnoMark;
  PGconn* conn = PQconnectdb(conninfo);
  SayErrno("PQconnectdb");
  Say("connected: %s", PQstatus(conn) == CONNECTION_OK ? "yes" : "no");
  return conn;
}

inline bool Query(PGconn* conn, const char* query) {
  errno = kErrnoMark;
  PGresult* result = PQexec(conn, query);
  SayErrno("PQexec");
  const ExecStatusType status = PQresultStatus(result);
  Say("%s: %d, transaction %d", query, static_cast<int>(status),
      static_cast<int>(PQtransactionStatus(conn)));
  PQclear(result);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

inline void Finish(PGconn* conn) {
  errno = kErrnoMark;
  PQfinish(conn);
  SayErrno("PQfinish");
}

inline int OpenDescriptors() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return -1;
  int count = 0;
  while (const dirent* entry = readdir(directory)) count += entry->d_name[0] != '.';
  closedir(directory);
  return count - 1;  // opendir's own
}

inline void SayDescriptors() { Say("open descriptors: %d", OpenDescriptors()); }

// Waits for a child and says how it ended.
inline void Reap(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) Say("child: exit code %d", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) Say("child: signal %d", WTERMSIG(status));
}

inline bool Mode(int argc, char** argv, const char* name) {
  return argc > 1 && strcmp(argv[1], name) == 0;
}

// Drives an asynchronous connect or reset to its end.
template <typename Poll>
PostgresPollingStatusType Drive(PGconn* conn, Poll poll_function, int max_polls = 100'000) {
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  for (int i = 0; i < max_polls; ++i) {
    status = poll_function(conn);
    if (status == PGRES_POLLING_OK || status == PGRES_POLLING_FAILED) break;
    usleep(100);
  }
  return status;
}

}  // namespace program

#endif  // PQLEASH_TESTS_PRELOAD_PROGRAMS_PROGRAM_H_
