// SPDX-License-Identifier: Apache-2.0
//
// Signals: what a host has arranged stays as it is, and comes to the host alone.

#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/time.h>

#include <csetjmp>
#include <csignal>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

volatile sig_atomic_t handled = 0;
sigjmp_buf back;

void Count(int /*number*/) { handled = handled + 1; }
void ConnectInside(int /*number*/) { Work(); }
void JumpOut(int /*number*/) { siglongjmp(back, 1); }

void Handle(int number, void (*handler)(int), int flags = 0) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(number, &action, nullptr);
}

int Dispositions() {
  struct sigaction before[65] = {};
  for (int i = 1; i < 65; ++i) sigaction(i, nullptr, &before[i]);
  Work();
  int changed = 0;
  for (int i = 1; i < 65; ++i) {
    struct sigaction after = {};
    sigaction(i, nullptr, &after);
    changed += after.sa_handler != before[i].sa_handler || after.sa_flags != before[i].sa_flags;
    Say("%d: %s", i, after.sa_handler == SIG_DFL ? "default" : "other");
  }
  return changed;
}

int MaskKept() {
  sigset_t set, after, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGPIPE);
  sigaddset(&set, SIGXFSZ);
  sigprocmask(SIG_SETMASK, &set, nullptr);
  raise(SIGPIPE);
  raise(SIGXFSZ);
  Work();
  sigprocmask(SIG_SETMASK, nullptr, &after);
  sigpending(&pending);
  for (int i = 1; i < 65; ++i) {
    if (sigismember(&after, i) == 1) Say("blocked: %d", i);
    if (sigismember(&pending, i) == 1) Say("pending: %d", i);
  }
  return 0;
}

int AllBlocked() {
  sigset_t set;
  sigfillset(&set);
  sigprocmask(SIG_SETMASK, &set, nullptr);
  Work();
  return 0;
}

int OnAlternateStack(size_t size) {
  constexpr size_t kPage = 4096;
  size = (size + kPage - 1) & ~(kPage - 1);
  // Below it is a page that nobody may touch.
  char* guarded = static_cast<char*>(
      mmap(nullptr, size + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char* memory = guarded + kPage;
  mprotect(memory, size, PROT_READ | PROT_WRITE);
  const stack_t stack = {memory, 0, size};
  Say("stack: %d", sigaltstack(&stack, nullptr));
  Handle(SIGUSR1, ConnectInside, SA_ONSTACK);
  raise(SIGUSR1);
  stack_t after = {};
  sigaltstack(nullptr, &after);
  Say("kept: %d", after.ss_sp == memory && after.ss_size == size);
  return 0;
}

int InHandler() {
  Handle(SIGUSR1, ConnectInside);
  raise(SIGUSR1);
  raise(SIGUSR1);
  return 0;
}

int Storm(int timer, int number) {
  Handle(number, Count, SA_RESTART);
  const itimerval every = {{0, 200}, {0, 200}};
  setitimer(static_cast<__itimer_which>(timer), &every, nullptr);
  for (int i = 0; i < 3000; ++i) {
    PGconn* conn = PQconnectdb("");
    PQclear(PQexec(conn, "SELECT 1"));
    PQfinish(conn);
  }
  setitimer(static_cast<__itimer_which>(timer), nullptr, nullptr);
  return 0;
}

PGconn* asked = nullptr;

// The handler calls what it interrupts.
int StormThatQueries() {
  asked = PQconnectdb("");
  Handle(SIGALRM, [](int) {
    PQclear(PQexec(asked, "SELECT 1"));
    if (PQstatus(asked) != CONNECTION_OK) _exit(1);
  });
  const itimerval every = {{0, 150}, {0, 150}};
  setitimer(ITIMER_REAL, &every, nullptr);
  for (int i = 0; i < 1000; ++i) {
    PGconn* conn = PQconnectdb("");
    PQclear(PQexec(conn, "SELECT 1"));
    PQfinish(conn);
  }
  const itimerval never = {};
  setitimer(ITIMER_REAL, &never, nullptr);
  PQfinish(asked);
  return 0;
}

// Libraries that try whether an address can be read fault on purpose.
int NoFaults() {
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP}) Handle(number, Count);
  Work();
  Say("faults: %d", static_cast<int>(handled));
  return 0;
}

int Crash() {
  Handle(SIGSEGV, [](int) {
    Say("crash handler");
    _exit(9);
  });
  Connect();
  raise(SIGSEGV);
  return 1;
}

int SignalDescriptor() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const int fd = signalfd(-1, &set, SFD_CLOEXEC);
  raise(SIGTERM);
  Work();
  signalfd_siginfo info = {};
  const bool whole = read(fd, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info));
  Say("read: %d, signal %d, number of the descriptor %d", whole, static_cast<int>(info.ssi_signo),
      fd);
  return 0;
}

int JumpsOut() {
  Handle(SIGALRM, JumpOut);
  Work();
  const itimerval once = {{0, 0}, {0, 20'000}};
  if (sigsetjmp(back, 1) == 0) {
    setitimer(ITIMER_REAL, &once, nullptr);
    PQconnectdb("standin_hang_ms=10000");
  }
  Say("out of it");
  Work();
  return 0;
}

int RealTime() {
  Say("first %d, last %d", SIGRTMIN, SIGRTMAX);
  Handle(SIGRTMIN, Count);
  Connect();
  for (int i = 0; i < 5; ++i) sigqueue(getpid(), SIGRTMIN, {});
  Say("came: %d", static_cast<int>(handled));
  return 0;
}

constexpr HostMode kModes[] = {
    {"dispositions", Dispositions},
    {"mask", MaskKept},
    {"all_blocked", AllBlocked},
    {"alternate_stack", [] { return OnAlternateStack(64 << 10); }},
    {"alternate_stack_small", [] { return OnAlternateStack(static_cast<size_t>(SIGSTKSZ)); }},
    {"alternate_stack_smallest", [] { return OnAlternateStack(8 << 10); }},
    {"in_handler", InHandler},
    {"storm_of_time", [] { return Storm(ITIMER_REAL, SIGALRM); }},
    {"storm_of_profiler", [] { return Storm(ITIMER_PROF, SIGPROF); }},
    {"storm_that_queries", StormThatQueries},
    {"no_faults", NoFaults},
    {"crash_handler", Crash},
    {"signalfd", SignalDescriptor},
    {"jumps_out", JumpsOut},
    {"real_time", RealTime},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
