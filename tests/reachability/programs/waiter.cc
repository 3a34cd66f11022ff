// SPDX-License-Identifier: Apache-2.0
//
// A program that has lost a connection, and waits in every way that there is.
//
//   waiter [forever]    forever: only in those ways that have no time-out
//
// It says 'ready', and when its stdin ends which of its waits were interrupted: 'poll=0 select=0
// …'.

#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>

namespace waiter {

int silent_pipe[2];  // nobody writes
int listening;
int pair[2];
int semaphore;

// Each returns what its system call returned, with errno.
long Poll() {
  struct pollfd descriptor = {silent_pipe[0], POLLIN, 0};
  return poll(&descriptor, 1, -1);
}
long Select() {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(silent_pipe[0], &set);
  struct timeval time = {1'000, 0};
  return select(silent_pipe[0] + 1, &set, nullptr, nullptr, &time);
}
long Sleep() {
  const struct timespec time = {1'000, 0};
  return nanosleep(&time, nullptr);
}
long Condition() {
  // Returns for no other reason than that it is called for: what is looked at is that it goes on.
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&mutex);
  const int error = pthread_cond_wait(&condition, &mutex);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return error == 0 ? 0 : -1;
}
long Read() {
  char byte;
  return read(silent_pipe[0], &byte, 1);
}
long Accept() { return accept(listening, nullptr, nullptr); }
long Receive() {
  char byte;
  return recv(pair[0], &byte, 1, 0);
}
long Epoll() {
  const int epoll = epoll_create1(0);
  struct epoll_event event = {};
  const long result = epoll_wait(epoll, &event, 1, -1);
  const int error = errno;
  close(epoll);
  errno = error;
  return result;
}
// In and out of it all the time: to be caught between the look at what it does and the stop.
long QuickEpoll() {
  static const int epoll = epoll_create1(0);
  struct epoll_event event = {};
  const long result = epoll_wait(epoll, &event, 1, 1);
  for (int i = 0; i < 20'000; ++i) asm volatile("" : : : "memory");
  return result;
}
long SignalWait() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  const struct timespec time = {1'000, 0};
  return sigtimedwait(&set, nullptr, &time);
}
long Semaphore() {
  struct sembuf take = {0, -1, 0};
  return semop(semaphore, &take, 1);
}

long SignalWaitForever() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  return sigwaitinfo(&set, nullptr);
}

struct Wait {
  const char* name;
  long (*wait)();
  bool forever;
  bool used = true;
  std::atomic<int> tid = 0;
  std::atomic<int> interrupted = 0;
  Wait(const char* its_name, long (*its_wait)(), bool is_forever = true)
      : name(its_name), wait(its_wait), forever(is_forever) {}
};
Wait waits[] = {
    {"poll", Poll},
    {"select", Select, false},
    {"nanosleep", Sleep, false},
    {"cond", Condition},
    {"read", Read},
    {"accept", Accept},
    {"recv", Receive, false},
    {"epoll_wait", Epoll},
    {"quick_epoll_wait", QuickEpoll, false},
    {"semop", Semaphore},
    {"sigtimedwait", SignalWait, false},
    {"sigwaitinfo", SignalWaitForever},
};

bool WaitsNow(const Wait& wait) {
  std::ifstream file("/proc/self/task/" + std::to_string(wait.tid) + "/syscall");
  std::string word;
  return wait.tid != 0 && file >> word && word != "running";
}

[[gnu::noinline]] void Lose() {
  PGconn* conn = PQconnectdb("application_name=waiter");
  if (PQstatus(conn) != CONNECTION_OK) exit(1);
}
[[gnu::noinline]] void ClearStack() {
  volatile char bytes[64 << 10];
  for (volatile char& byte : bytes) byte = 0;
}

int Main(bool forever) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  Lose();
  ClearStack();
  if (pipe(silent_pipe) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
  // With a time-out receiving ends with EINTR of itself.
  const struct timeval long_time = {1'000, 0};
  setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof long_time);
  listening = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listening, reinterpret_cast<const struct sockaddr*>(&address), sizeof address);
  listen(listening, 1);
  semaphore = semget(IPC_PRIVATE, 1, 0600);
  if (semaphore < 0) return 1;
  for (Wait& wait : waits) {
    wait.used = wait.forever || !forever;
    if (!wait.used) continue;
    std::thread([&wait] {
      wait.tid = gettid();
      for (;;) {
        if (wait.wait() < 0 && errno == EINTR) ++wait.interrupted;
      }
    }).detach();
  }
  for (const Wait& wait : waits) {
    while (wait.used && !WaitsNow(wait)) usleep(1'000);
  }
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  for (const Wait& wait : waits) printf("%s=%d ", wait.name, wait.interrupted.load());
  printf("\n");
  fflush(stdout);
  semctl(semaphore, 0, IPC_RMID);
  _exit(0);
}

}  // namespace waiter

int main(int argc, char** argv) {
  return waiter::Main(argc > 1 && strcmp(argv[1], "forever") == 0);
}
