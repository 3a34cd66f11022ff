// SPDX-License-Identifier: Apache-2.0

#include "tests/faults/programs/work.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <pthread.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace faults {

namespace {

constexpr int kErrnoMark = 77;
constexpr int kMaxThreads = 8;
constexpr int kMaxConnections = 1'024;

void Note(Seen* seen, char what) {
  if (seen->size + 1 < sizeof(seen->calls)) seen->calls[seen->size++] = what;
}

// The stand-in leaves errno alone: whoever changes it is not the stand-in.
void NoteErrno(Seen* seen) {
  if (errno != kErrnoMark) Note(seen, '!');
  errno = kErrnoMark;
}

void NoteStatus(const PGconn* conn, Seen* seen) {
  Note(seen, conn == nullptr ? '0' : PQstatus(conn) == CONNECTION_OK ? 'c' : 'b');
  NoteErrno(seen);
}

void Ask(PGconn* conn, const char* query, Seen* seen) {
  PGresult* result = PQexec(conn, query);
  Note(seen, static_cast<char>('0' + PQresultStatus(result)));
  Note(seen, static_cast<char>('0' + PQtransactionStatus(conn)));
  PQclear(result);
  NoteErrno(seen);
}

void ConnectAsynchronously(Seen* seen) {
  PGconn* conn = PQconnectStart("");
  NoteErrno(seen);
  for (int i = 0; i < 1'000; ++i) {
    const PostgresPollingStatusType status = PQconnectPoll(conn);
    NoteErrno(seen);
    if (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) continue;
    Note(seen, status == PGRES_POLLING_OK ? 'a' : 'f');
    break;
  }
  Ask(conn, "SELECT 1", seen);
  PQfinish(conn);
  NoteErrno(seen);
}

// Each value of `way` is another stack.
[[gnu::noinline]] PGconn* ConnectBy(unsigned way, int depth);
[[gnu::noinline]] PGconn* ConnectLeft(unsigned way, int depth) {
  PGconn* conn = ConnectBy(way >> 1, depth - 1);
  asm volatile("" : "+r"(conn));
  return conn;
}
[[gnu::noinline]] PGconn* ConnectRight(unsigned way, int depth) {
  PGconn* conn = ConnectBy(way >> 1, depth - 1);
  asm volatile("" : "+r"(conn) : : "memory");
  return conn;
}
[[gnu::noinline]] PGconn* ConnectBy(unsigned way, int depth) {
  PGconn* conn = depth == 0        ? PQconnectdb("")
                 : (way & 1) != 0u ? ConnectLeft(way, depth)
                                   : ConnectRight(way, depth);
  asm volatile("" : "+r"(conn));
  return conn;
}

void* Thread(void* seen) {
  errno = kErrnoMark;
  WorkOnce(static_cast<Seen*>(seen));
  return nullptr;
}

int OpenDescriptors() {
  int count = 0;
  for (int fd = 0; fd < 128; ++fd) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

uint64_t SignalMask() {
  sigset_t mask;
  sigemptyset(&mask);
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  uint64_t bits = 0;
  memcpy(&bits, &mask, sizeof(bits));
  return bits;
}

}  // namespace

void WorkOnce(Seen* seen) {
  errno = kErrnoMark;
  PGconn* conn = PQconnectdb("");
  NoteStatus(conn, seen);
  Ask(conn, "SELECT 1", seen);
  Ask(conn, "BEGIN", seen);
  PGconn* failed = PQconnectdb("standin_outcome=fail");
  NoteStatus(failed, seen);
  ConnectAsynchronously(seen);
  PQreset(failed);
  NoteStatus(failed, seen);
  PQfinish(failed);
  Ask(conn, "COMMIT", seen);
  PQreset(conn);
  NoteStatus(conn, seen);
  PQfinish(conn);
  NoteErrno(seen);
}

void WorkMany(int count, Seen* seen) {
  static PGconn* open[kMaxConnections];
  errno = kErrnoMark;
  int connected = 0;
  for (int i = 0; i < count; ++i) {
    open[i] = ConnectBy(static_cast<unsigned>(i), 12);
    connected += PQstatus(open[i]) == CONNECTION_OK ? 1 : 0;
    NoteErrno(seen);
  }
  Note(seen, connected == count ? 'm' : '-');
  for (int i = 0; i < count; ++i) {
    PQclear(PQexec(open[i], "SELECT 1"));
    PQfinish(open[i]);
    NoteErrno(seen);
  }
}

void WorkInThreads(int count, Seen* seen) {
  pthread_t threads[kMaxThreads];
  Seen each[kMaxThreads] = {};
  bool made[kMaxThreads] = {};
  for (int i = 0; i < count; ++i)
    made[i] = pthread_create(&threads[i], nullptr, Thread, &each[i]) == 0;
  for (int i = 0; i < count; ++i) {
    if (made[i]) pthread_join(threads[i], nullptr);
    for (uint32_t letter = 0; letter < each[i].size; ++letter) Note(seen, each[i].calls[letter]);
    Note(seen, made[i] ? '.' : 'x');
  }
}

Surroundings::Surroundings() : descriptors_(OpenDescriptors()), mask_(SignalMask()) {}

void Surroundings::Compare(Seen* seen) const {
  seen->descriptors = OpenDescriptors() - descriptors_;
  seen->mask_changed = SignalMask() != mask_ ? 1 : 0;
}

}  // namespace faults
